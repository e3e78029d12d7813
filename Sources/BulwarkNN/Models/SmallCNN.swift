import BulwarkTensor

/// Six 3×3 convolutions with batch normalization: width, width, 2·width (stride 2), 2·width,
/// 4·width (stride 2), 4·width; global average pooling. For images of 8 to 32 pixels.
struct SmallCNN: Backbone {
  let layers: [(Conv2d, BatchNorm)]
  let featureCount: Int

  init(_ path: ParameterPath, _ architecture: Architecture) throws {
    var layers: [(Conv2d, BatchNorm)] = []
    var input = architecture.channels
    for index in 0..<6 {
      let output = architecture.width << (index / 2)
      let stride = index > 0 && index % 2 == 0 ? 2 : 1
      layers.append(
        (
          try Conv2d(
            path / "conv\(index + 1)", in: input, out: output, kernel: 3, stride: stride,
            padding: 1),
          try BatchNorm(path / "bn\(index + 1)", channels: output)
        ))
      input = output
    }
    self.layers = layers
    featureCount = input
  }

  func features(_ images: Tensor, _ mode: Mode) throws -> Tensor {
    var x = images
    for (conv, norm) in layers { x = try norm(conv(x), mode, relu: true) }
    return try x.mean([2, 3])
  }
}
