"""Convolutional classifiers: networks, training and calibration."""
