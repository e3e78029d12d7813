import BulwarkTensor

/// VGG with batch normalization (Simonyan & Zisserman 2015), named as in torchvision's `vgg.py`.
///
/// CIFAR stem: features, global average pooling, one linear layer `classifier`. ImageNet stem:
/// 7×7 average pooling and `classifier.0`, `.3`, `.6`. Deviation: torchvision's dropout between
/// those three layers is left out, which changes nothing in evaluation.
struct VGG: Backbone {
  let parts: [BackbonePart]
  let hidden: [Linear]
  let featureCount: Int

  init(_ path: ParameterPath, _ architecture: Architecture, stages: [Int]) throws {
    var parts: [BackbonePart] = []
    var position = 0
    var input = architecture.channels
    for (stage, count) in stages.enumerated() {
      let output = architecture.width << min(stage, 3)
      for index in 0..<count {
        let (name, normName) = ("features.\(position)", "features.\(position + 1)")
        let pools = index + 1 == count
        let conv = try Conv2d(
          path / "features" / position, in: input, out: output, kernel: 3, padding: 1, bias: true)
        try withoutGradients { try conv.bias?.fill(0) }
        let norm = try BatchNorm(path / "features" / (position + 1), channels: output)
        parts.append(
          BackbonePart(name, layers: [name, normName]) { x, mode in
            let maps = try norm(conv(x), mode, relu: true)
            return pools ? try maps.maxPool2d(kernel: 2, stride: 2) : maps
          })
        input = output
        position += 3
      }
      position += 1
    }
    self.parts = parts
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

  func pooled(_ maps: Tensor) throws -> Tensor {
    if hidden.isEmpty { return try maps.mean([2, 3]) }
    var x = try maps.adaptiveAveragePool2d(height: 7, width: 7).contiguous()
      .reshape([maps.shape[0], -1])
    for layer in hidden { x = try layer(x).relu() }
    return x
  }
}
