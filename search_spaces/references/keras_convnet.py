"""Does our trainer reach what Keras' own MNIST example reaches?

The network and the recipe of keras.io/examples/vision/mnist_convnet: Adam, batches of 128, 15 epochs, a tenth of the
training images held out. Published there: a test accuracy of 0.9922, of one run. Two things are not Keras': the images
held out are drawn, where Keras takes the last ones, and Adam's epsilon is torch's 1e-8, where Keras has 1e-7.
"""

from study import Study, about_published

STUDY = Study(
    title="Keras Convnet",
    arms={"convnet": {"model": "networks:keras_convnet"}},
    fixed={"optimizer": "adam", "lr": 0.001, "batch_size": 128, "epochs": 15, "validation_size": 6000},
    published={"convnet": 99.22},
    claims=[about_published("Its test accuracy is 0.9922.")],
)
