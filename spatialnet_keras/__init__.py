"""SpatialNet-ViT in Keras 3: land use, answers, counts and captions from one vision transformer."""
