import BulwarkTensor

/// Six 3×3 convolutions with batch normalization: width, width, 2·width (stride 2), 2·width,
/// 4·width (stride 2), 4·width; global average pooling. For images of 8 to 32 pixels.
struct SmallCNN: Backbone {
  let parts: [BackbonePart]
  let featureCount: Int

  init(_ path: ParameterPath, _ architecture: Architecture) throws {
    var parts: [BackbonePart] = []
    var input = architecture.channels
    for index in 0..<6 {
      let output = architecture.width << (index / 2)
      let stride = index > 0 && index % 2 == 0 ? 2 : 1
      let (name, normName) = ("conv\(index + 1)", "bn\(index + 1)")
      let conv = try Conv2d(
        path / name, in: input, out: output, kernel: 3, stride: stride, padding: 1)
      let norm = try BatchNorm(path / normName, channels: output)
      parts.append(
        BackbonePart(name, layers: [name, normName]) { x, mode in
          try norm(conv(x), mode, relu: true)
        })
      input = output
    }
    self.parts = parts
    featureCount = input
  }

  func pooled(_ maps: Tensor) throws -> Tensor { try maps.mean([2, 3]) }
}
