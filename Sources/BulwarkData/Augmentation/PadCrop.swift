import BulwarkTensor

/// Pads all four sides, then cuts out a random window of the original size.
///
/// torchvision's `RandomCrop(size, padding=p)`: both offsets are uniform whole numbers in
/// `-p...p`. Parameters per sample: offset down, offset right.
public struct PadCrop: Augmentation {
  /// What stands outside the image.
  public enum Mode: String, Sendable, Codable {
    /// Zeros.
    case zero
    /// The image mirrored at its border, the border itself not repeated.
    case reflect
  }

  /// Pixels added to every side, 0 or more and smaller than the image.
  public let padding: Int
  /// What is added.
  public let mode: Mode

  /// Makes the augmentation; the default is MixMatch's for CIFAR.
  public init(padding: Int = 4, mode: Mode = .reflect) {
    self.padding = padding
    self.mode = mode
    requireSound()
  }

  /// A negative or huge padding.
  public var problem: String? {
    (0...ImageCodec.maximumSide).contains(padding) ? nil : "a padding of \(padding)"
  }

  /// Offset down and offset right.
  public var parameterCount: Int { 2 }

  /// Uniform whole numbers in `-padding...padding`.
  public func draw(
    count: Int, height: Int, width: Int, generator: inout KeyedGenerator,
    into target: inout ArraySlice<Float>
  ) {
    let start = target.startIndex
    for sample in 0..<count {
      for axis in 0..<2 {
        target[start + axis * count + sample] = Float(
          generator.integer(below: 2 * padding + 1) - padding)
      }
    }
  }

  /// Shifts with one 0/1 matrix per sample and direction.
  public func apply(_ images: Tensor, parameters: Tensor) throws -> Tensor {
    let shape = images.shape
    func matrix(_ row: Int, _ length: Int) throws -> Tensor {
      let offsets = try parameters.narrow(0, start: row, length: 1).reshape([-1, 1])
      var positions = try SeparableMap.counting(length, device: images.device) + offsets
      if mode == .reflect { positions = try SeparableMap.reflected(positions, length: length) }
      return try SeparableMap.selection(positions, length: length)
    }
    return try SeparableMap.apply(
      images, rows: matrix(0, shape[2]), columns: matrix(1, shape[3]))
  }

  /// The kernel's form.
  public var fusedStep: FusedStep { FusedStep(code: .padCrop, option: mode == .reflect ? 1 : 0) }
}
