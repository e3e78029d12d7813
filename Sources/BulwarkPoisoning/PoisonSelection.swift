import BulwarkTensor

/// Which samples of a training set an attack changes.
struct PoisonSelection: Sendable {
  /// Ascending positions of the poisoned samples.
  let poisoned: [Int]
  /// Ascending positions of the samples that get noise and keep their label.
  let noise: [Int]

  /// Draws the samples.
  /// - Parameters:
  ///   - spec: attack, rate, target, seed, draw.
  ///   - labels: the true labels of the training set.
  ///   - classCount: number of classes.
  /// - Throws: `PoisonError.invalidTarget`, `.tooMany`, `.nothingToPoison`.
  init(_ spec: AttackSpec, labels: [Int], classCount: Int) throws {
    guard (0..<classCount).contains(spec.target) else {
      throw PoisonError.invalidTarget(target: spec.target, classCount: classCount)
    }
    let clean = spec.attack.isCleanLabel
    let eligible = labels.indices.filter { (labels[$0] == spec.target) == clean }
    let words = clean ? "images of the target class" : "images of other classes"
    let key = spec.key
    switch spec.draw {
    case .exact:
      let base = clean ? eligible.count : labels.count
      let wanted = Int((spec.rate * Double(base)).rounded())
      guard wanted <= eligible.count else {
        throw PoisonError.tooMany(asked: wanted, available: eligible.count, eligible: words)
      }
      if spec.rate > 0 && wanted == 0 {
        throw PoisonError.nothingToPoison(rate: spec.rate, base: base, eligible: words)
      }
      poisoned = try Self.draw(wanted, of: eligible, key: key.stream("selection"))
    case .bernoulli:
      var generator = key.stream("bernoulli").generator()
      let drawn = labels.indices.filter { _ in generator.uniform() < spec.rate }
      poisoned = drawn.filter { (labels[$0] == spec.target) == clean }
      if spec.rate > 0 && poisoned.isEmpty {
        throw PoisonError.nothingToPoison(
          rate: spec.rate, base: eligible.count, eligible: words)
      }
    }
    let noisy = Int((spec.attack.noiseRatio * Double(poisoned.count)).rounded())
    let taken = Set(poisoned)
    let rest = labels.indices.filter { !taken.contains($0) }
    guard noisy <= rest.count else {
      throw PoisonError.tooMany(
        asked: noisy, available: rest.count, eligible: "unpoisoned images left for the noise mode")
    }
    noise = try Self.draw(noisy, of: rest, key: key.stream("noise-selection"))
  }

  private static func draw(_ count: Int, of candidates: [Int], key: RandomKey) throws -> [Int] {
    guard count > 0 else { return [] }
    let order = try key.permutation(candidates.count).narrow(0, start: 0, length: count)
    return try order.integers().map { candidates[$0] }.sorted()
  }
}
