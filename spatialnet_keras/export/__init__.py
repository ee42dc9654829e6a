"""Export: a run of any backend as a SavedModel that answers, as ONNX, or as LiteRT.

python -m spatialnet_keras.export RUN
"""
