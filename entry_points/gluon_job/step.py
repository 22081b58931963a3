"""What is computed for a batch, each as one graph: the training step, and the count of right answers."""

from gluon_job.compat import mx

SCALE = 1 / 255


class TrainingStep(mx.gluon.HybridBlock):
    """Probabilities, float32 (N, classes), of images uint8 (N, ...) with labels float32 (N,).

    Its gradient is that of the cross-entropy summed over the batch: `backward()` leaves it in the net's parameters.
    """

    def __init__(self, net):
        super().__init__()
        self.net = net
        self.hybridize(static_alloc=True, static_shape=True)

    def hybrid_forward(self, F, images, labels):
        # Without BlockGrad the first layer would compute the gradient of the images too.
        return F.SoftmaxOutput(self.net(F.BlockGrad(F.cast(images, "float32") * SCALE)), labels)


class Prediction(mx.gluon.HybridBlock):
    """The most probable class, float32 (N,), of images uint8 (N, ...)."""

    def __init__(self, net):
        super().__init__()
        self.net = net
        self.hybridize(static_alloc=True, static_shape=True)

    def hybrid_forward(self, F, images):
        return F.argmax(self.net(F.cast(images, "float32") * SCALE), axis=1)
