"""The machine learning step: reads the feature views, fits and measures two models, publishes results and a report."""
