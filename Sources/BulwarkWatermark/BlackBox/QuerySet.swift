import BulwarkData
import BulwarkStore
import BulwarkTensor
import BulwarkTraining

/// Everything that a verification asks of a suspect, for one that is only served: ordinary images and the
/// carriers of the owner's and of all foreign keys, each once, in an order that only the secret gives. Where answers
/// alone are read (`TiltReading.answers`) there are no carriers.
///
/// Whoever serves the suspect cannot tell by the order which images matter; by their looks perhaps.
public struct QuerySet: Sendable {
  /// [N, C, H, W], uint8. The labels say nothing.
  public let images: ImageDataset

  /// Collects the images.
  ///
  /// - Parameters:
  ///   - key: the owner's.
  ///   - data: what foreign keys draw their images from; its test images are the ordinary ones.
  ///   - options: how many foreign keys there are, and what is read; the same as for the verification.
  ///   - foreign: foreign keys, the same as for the verification; nil draws them, which will do where the owner chose
  ///     nothing.
  /// - Throws: `WatermarkError.mismatch` for a mark that stands in weights, and where the owner chose directions and
  ///   nobody chooses for foreign keys; `WatermarkError.noImages`;
  ///   `TensorError`.
  public init(
    _ key: WatermarkKey, data: TrainingData, options: VerificationOptions = VerificationOptions(),
    foreign: ForeignKeys? = nil
  ) throws {
    try options.validate(key.mark.scheme)
    try key.check(data.train)
    let asksCarriers = key.mark.carriers != nil && options.reading != .answers
    guard foreign != nil || !key.choosesDirections || !asksCarriers else {
      throw ForeignKeys.undrawn
    }
    let foreign = try foreign ?? ForeignKeys(of: key, material: data.train)
    guard key.mark.bits == nil else {
      throw WatermarkError.mismatch("a mark in weights cannot be read from answers")
    }
    let sample = try key.sample(
      of: data.evaluator.test ?? data.train, reading: options.reading)
    var parts = [sample.images.images]
    if asksCarriers {
      for number in 0...options.allKeys {
        let asked = number == 0 ? key : try foreign.key(number - 1)
        if let carriers = try asked.carriers() { parts.append(carriers.images) }
      }
    }
    let all = try Tensor.cat(parts)
    var seen: Set<SHA256Digest> = []
    let different = try ImageDigests.of(all).enumerated().compactMap { place, digest in
      seen.insert(digest).inserted ? place : nil
    }
    let order = key.secret.selection("queries", count: different.count, below: different.count)
    images = try ImageDataset(
      images: all.indexSelect(0, Tensor(order.map { different[$0] })),
      labels: [Int](repeating: 0, count: different.count), classNames: data.train.classNames,
      name: "queries")
  }
}

/// Digests that tell images apart.
enum ImageDigests {
  /// One digest for each image of [N, C, H, W], uint8.
  static func of(_ images: Tensor) throws -> [SHA256Digest] {
    let count = images.shape[0]
    return try images.contiguous().withUnsafeBytes { bytes in
      let size = bytes.count / max(count, 1)
      return (0..<count).map { index in
        SHA256Digest(of: UnsafeRawBufferPointer(rebasing: bytes[index * size..<(index + 1) * size]))
      }
    }
  }
}
