import BulwarkTensor

/// VGG with batch normalization (Simonyan & Zisserman 2015), named as in torchvision's `vgg.py`.
///
/// CIFAR stem: features, global average pooling, one linear layer `classifier`. ImageNet stem:
/// 7×7 average pooling and `classifier.0`, `.3`, `.6`. Deviation: torchvision's dropout between
/// those three layers is left out, which changes nothing in evaluation.
struct VGG: Backbone {
  let layers: [(Conv2d, BatchNorm)?]
  let hidden: [Linear]
  let featureCount: Int

  init(_ path: ParameterPath, _ architecture: Architecture, stages: [Int]) throws {
    var layers: [(Conv2d, BatchNorm)?] = []
    var position = 0
    var input = architecture.channels
    for (stage, count) in stages.enumerated() {
      let output = architecture.width << min(stage, 3)
      for _ in 0..<count {
        let conv = try Conv2d(
          path / "features" / position, in: input, out: output, kernel: 3, padding: 1, bias: true)
        try withoutGradients { try conv.bias?.fill(0) }
        layers.append((conv, try BatchNorm(path / "features" / (position + 1), channels: output)))
        input = output
        position += 3
      }
      layers.append(nil)
      position += 1
    }
    self.layers = layers
    switch architecture.stem {
    case .cifar:
      hidden = []
      featureCount = input
    case .imageNet:
      let size = 64 * architecture.width
      hidden = [
        try Linear(
          path / "classifier" / 0, in: input * 49, out: size, initializer: .normal(0.01)),
        try Linear(path / "classifier" / 3, in: size, out: size, initializer: .normal(0.01)),
      ]
      featureCount = size
    }
  }

  func features(_ images: Tensor, _ mode: Mode) throws -> Tensor {
    var x = images
    for layer in layers {
      if let (conv, norm) = layer {
        x = try norm(conv(x), mode, relu: true)
      } else {
        x = try x.maxPool2d(kernel: 2, stride: 2)
      }
    }
    if hidden.isEmpty { return try x.mean([2, 3]) }
    x = try x.adaptiveAveragePool2d(height: 7, width: 7).contiguous().reshape([x.shape[0], -1])
    for layer in hidden { x = try layer(x).relu() }
    return x
  }
}
