import BulwarkTensor

/// Exact selection of the k largest of many non-negative numbers without sorting them.
///
/// The bit patterns of non-negative float32 numbers are ordered as the numbers are. A first pass
/// counts the upper 16 bits, which tells in which bin the k-th largest number lies; a second counts
/// the lower 16 bits inside that bin, which tells the number itself; a third marks what is larger and
/// as many equal ones, from the front, as are still wanted. (The official code sorts all weights for
/// each of ten ratios.)
struct TopSelection {
  private var upper = [Int](repeating: 0, count: 1 << 16)

  /// First pass: takes the absolute values of `scores` in.
  ///
  /// - Throws: `UnlearningError.notFinite` when one of them is not finite.
  mutating func count(_ scores: Tensor, name: String) throws {
    try scores.withUnsafeBytes { raw in
      upper.withUnsafeMutableBufferPointer { bins in
        for bits in raw.bindMemory(to: UInt32.self) { bins[Int((bits & 0x7FFF_FFFF) >> 16)] += 1 }
      }
    }
    // Exponents of infinity and NaN.
    guard upper[0x7F80...].allSatisfy({ $0 == 0 }) else {
      throw UnlearningError.notFinite("saliency", at: "in \(name)")
    }
  }

  /// Where the `count` largest numbers end, as far as the upper bits tell.
  func cut(keeping count: Int) -> Cut {
    precondition(count >= 0, "a mask keeps at least no weight")
    var left = count
    for bin in stride(from: upper.count - 1, through: 0, by: -1) {
      if upper[bin] >= left { return Cut(bin: UInt32(bin), wanted: left) }
      left -= upper[bin]
    }
    preconditionFailure("a mask cannot keep more weights than there are")
  }

  /// The bin in which the selection ends, and then the number.
  struct Cut {
    let bin: UInt32
    /// Numbers of that bin that are selected.
    let wanted: Int
    private var lower = [Int](repeating: 0, count: 1 << 16)
    private var threshold: UInt32 = 0
    /// Numbers equal to the threshold that are still to be marked.
    private var ties = 0

    init(bin: UInt32, wanted: Int) {
      self.bin = bin
      self.wanted = wanted
    }

    /// Second pass.
    mutating func refine(_ scores: Tensor) throws {
      try scores.withUnsafeBytes { raw in
        lower.withUnsafeMutableBufferPointer { bins in
          for bits in raw.bindMemory(to: UInt32.self) where (bits & 0x7FFF_FFFF) >> 16 == bin {
            bins[Int(bits & 0xFFFF)] += 1
          }
        }
      }
    }

    /// Finds the threshold once all numbers are counted.
    mutating func finish() {
      var left = wanted
      for value in stride(from: lower.count - 1, through: 0, by: -1) {
        if lower[value] >= left {
          threshold = bin << 16 | UInt32(value)
          ties = left
          return
        }
        left -= lower[value]
      }
    }

    /// The threshold as a number: the smallest selected one, when any is.
    var value: Float { Float(bitPattern: threshold) }

    /// Third pass, in the order of the first: a bool tensor of the same shape.
    mutating func mask(of scores: Tensor) throws -> Tensor {
      var left = ties
      let threshold = threshold
      let mask = try scores.withUnsafeBytes { raw in
        let numbers = raw.bindMemory(to: UInt32.self)
        return try Tensor.filled(scores.shape, dtype: .bool) { target in
          for position in numbers.indices {
            let bits = numbers[position] & 0x7FFF_FFFF
            var isKept = bits > threshold
            if bits == threshold, left > 0 {
              isKept = true
              left -= 1
            }
            target[position] = isKept ? 1 : 0
          }
        }
      }
      ties = left
      return mask
    }
  }
}
