"""A model and the stages of a recipe become a trained model. This room imports Keras."""
