import BulwarkTensor

/// ResNet of basic blocks (He et al. 2016), named as in torchvision's `resnet.py`.
///
/// Channels width, 2·width, 4·width, 8·width at strides 1, 2, 2, 2; global average pooling. The
/// CIFAR stem is the one of DBD's official code: 3×3 stride 1 without pooling.
///
/// With three stages of n blocks it is the CIFAR network of section 4.2, 6n + 2 layers deep: 16, 32, 64
/// channels at width 16. Deviation: where the shape changes the shortcut is a 1×1 convolution with
/// normalization (option B), as in every other network here; the paper's CIFAR networks pad with
/// zeros (option A), which has no parameters and the same accuracy within its noise.
struct ResNet: Backbone {
  let parts: [BackbonePart]
  let featureCount: Int

  init(_ path: ParameterPath, _ architecture: Architecture, blocks counts: [Int]) throws {
    let width = architecture.width
    let pools = architecture.stem == .imageNet
    let stem = try Conv2d(
      path / "conv1", in: architecture.channels, out: width, kernel: pools ? 7 : 3,
      stride: pools ? 2 : 1, padding: pools ? 3 : 1)
    let stemNorm = try BatchNorm(path / "bn1", channels: width)
    var parts = [
      BackbonePart("conv1", layers: ["conv1", "bn1"]) { images, mode in
        let x = try stemNorm(stem(images), mode, relu: true)
        return pools ? try x.maxPool2d(kernel: 3, stride: 2, padding: 1) : x
      }
    ]
    var input = width
    for (stage, count) in counts.enumerated() {
      let (name, output) = ("layer\(stage + 1)", width << stage)
      let blocks = try (0..<count).map { index in
        defer { input = output }
        return try BasicBlock(
          path / name / index, in: input, out: output, stride: stage > 0 && index == 0 ? 2 : 1)
      }
      parts.append(
        BackbonePart(name) { x, mode in try blocks.reduce(x) { try $1($0, mode) } })
    }
    self.parts = parts
    featureCount = input
  }

  func pooled(_ maps: Tensor) throws -> Tensor { try maps.mean([2, 3]) }
}

/// Two 3×3 convolutions and a shortcut; a 1×1 convolution where the shape changes.
struct BasicBlock {
  let first: Conv2d
  let firstNorm: BatchNorm
  let second: Conv2d
  let secondNorm: BatchNorm
  let shortcut: (Conv2d, BatchNorm)?

  init(_ path: ParameterPath, in input: Int, out output: Int, stride: Int) throws {
    first = try Conv2d(
      path / "conv1", in: input, out: output, kernel: 3, stride: stride, padding: 1)
    firstNorm = try BatchNorm(path / "bn1", channels: output)
    second = try Conv2d(path / "conv2", in: output, out: output, kernel: 3, padding: 1)
    secondNorm = try BatchNorm(path / "bn2", channels: output)
    shortcut =
      stride == 1 && input == output
      ? nil
      : (
        try Conv2d(path / "downsample" / 0, in: input, out: output, kernel: 1, stride: stride),
        try BatchNorm(path / "downsample" / 1, channels: output)
      )
  }

  func callAsFunction(_ x: Tensor, _ mode: Mode) throws -> Tensor {
    let inner = try second(firstNorm(first(x), mode, relu: true))
    let carried =
      if let (conv, norm) = shortcut { try norm(conv(x), mode) } else { x }
    return try secondNorm(inner, mode, adding: carried, relu: true)
  }
}
