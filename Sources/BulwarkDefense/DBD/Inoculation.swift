import BulwarkData
import BulwarkTensor

/// What the images in quarantine (cliques, shortcuts) have in common beyond their class, laid over labeled images
/// of all classes in stage 3: labels that stay while the trigger comes and goes teach the network to ignore it.
/// Not in the paper.
///
/// For the samples Q of class c in quarantine with the other samples R of that class, the difference is
/// mean(Q) − mean(R): the contents of the class cancel, and a fixed trigger (a sinusoid, a blended picture, a patch)
/// remains. Where they have no fixed trigger, what remains is how their mean differs from that of their class.
public struct Inoculation: Sendable {
  /// One a class with samples in quarantine, [1, C, H, W] float32, in steps of 8-bit pixels.
  let differences: [Tensor]

  /// Takes the differences from a data set.
  ///
  /// - Parameters:
  ///   - data: the training images.
  ///   - quarantine: positions of the samples of cliques and shortcuts.
  /// - Throws: `TensorError`.
  public init(_ data: ImageDataset, quarantine: [Int]) throws {
    let quarantined = Set(quarantine)
    let members = Dictionary(grouping: quarantine) { data.labels[$0] }
    differences = try members.keys.sorted().compactMap { label in
      let rest = data.labels.indices.filter {
        data.labels[$0] == label && !quarantined.contains($0)
      }
      guard let own = members[label], !rest.isEmpty else { return nil }
      return try Inoculation.mean(data, own) - Inoculation.mean(data, rest)
    }
  }

  /// Mean image of some samples, [1, C, H, W]; 256 at a time, so that no second copy of them is held.
  private static func mean(_ data: ImageDataset, _ positions: [Int]) throws -> Tensor {
    var sum = try Tensor.zeros([1] + data.images.shape.dropFirst())
    for start in stride(from: 0, to: positions.count, by: 256) {
      let part = Array(positions[start..<min(start + 256, positions.count)])
      sum = try sum + data.batch(part).images.to(.float32).sum([0], keep: true)
    }
    return try sum / Double(positions.count)
  }

  /// A batch whose first images carry the difference, half to one and a half times as strong.
  ///
  /// - Parameters:
  ///   - images: [B, C, H, W] uint8, in random order.
  ///   - share: share of the batch that carries it, 0...1; above 0 at least one image does.
  ///   - key: draws the strengths, and which class's difference comes first where there are several.
  /// - Returns: the same shape, uint8.
  /// - Throws: `TensorError`.
  func applied(to images: Tensor, share: Double, key: RandomKey) throws -> Tensor {
    let batch = images.shape[0]
    guard share > 0, batch > 0, !differences.isEmpty else { return images }
    let count = min(batch, max(1, Int((share * Double(batch)).rounded())))
    var order = key.stream("order").generator()
    let first = Int(order.uniform() * Double(differences.count))
    let turns = (0..<count).map { differences[(first + $0) % differences.count] }
    let strength = try key.uniform([count, 1, 1, 1], from: 0.5, to: 1.5)
    let added = try (strength * Tensor.cat(turns)).to(images.device)
    let changed = try (images.narrow(0, start: 0, length: count).to(.float32) + added)
      .clamp(min: 0, max: 255).round().to(.uint8)
    return try Tensor.cat([
      changed, images.narrow(0, start: count, length: images.shape[0] - count),
    ])
  }
}
