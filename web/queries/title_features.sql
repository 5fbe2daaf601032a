select
    title_words,
    title_length,
    genre_number
from insights.title_features(:title)
