"""A plan in, a Keras model or a file out. Only this room and `training` import Keras."""
