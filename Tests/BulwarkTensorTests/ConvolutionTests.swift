import BulwarkTensor
import Testing

@Suite struct ConvolutionTests {
  /// Gradients of strided 1×1 convolutions of fewer than 8 channels were once wrong; see layers.cpp.
  @Test(arguments: [1, 2, 3, 4, 6, 7, 8, 12], [1, 3])
  func stridedGradients(_ channels: Int, _ kernel: Int) throws {
    let key = RandomKey(seed: UInt64(channels))
    func gradients(_ type: DType) throws -> [Tensor] {
      let weight = try key.stream("weight").normal([2 * channels, channels, kernel, kernel])
        .to(type)
      let x = try key.stream("x").normal([16, channels, 8, 8]).to(type).channelsLast()
      for leaf in [weight, x] { try leaf.setRequiresGradient(true) }
      let y = try x.conv2d(weight: weight, stride: 2, padding: kernel / 2)
      let pull = try key.stream("pull").normal(y.shape).to(type)
      return try (y * pull).sum().gradients(of: [weight, x])
    }
    // Strides on the host in float64: LibTorch's own kernels, not oneDNN's.
    for (found, expected) in zip(try gradients(.float32), try gradients(.float64)) {
      let error = try (found.to(.float64) - expected).norm().item() / expected.norm().item()
      #expect(error < 1e-6)
    }
  }
}
