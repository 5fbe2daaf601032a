"""What can go wrong in the machine learning step that a person can do something about."""


class MachineLearningError(Exception):
    """Base of the family; the message says what happened, where, and what to do."""


class FeaturesMissing(MachineLearningError):
    """A feature view, or one of its columns, does not exist yet."""


class FeaturesInvalid(MachineLearningError):
    """A feature view holds a value that no model can be fitted on."""


class NotEnoughData(MachineLearningError):
    """There is too little to fit or to measure a model on."""


class TrainingInProgress(MachineLearningError):
    """Another session is training; only one may at a time."""


class ModelUnusable(MachineLearningError):
    """A stored model is missing, damaged, or of another version of scikit-learn."""


class RulesInvalid(MachineLearningError):
    """A setting of when models are trained again is not a number."""
