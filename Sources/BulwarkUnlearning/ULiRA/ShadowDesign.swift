import BulwarkTensor
import BulwarkTraining

/// Which samples each shadow model of U-LiRA is trained on.
///
/// A share of the training set is audited. Shadows come in pairs: the first is trained on a random half
/// of the audited samples and on everything that is not audited, the second on the other half. So
/// every audited sample is a member of exactly half of the shadows. Each shadow then unlearns its
/// half.
public struct ShadowDesign: Sendable, Hashable {
  /// Ascending positions of the audited samples in the training set.
  public let audited: [Int]
  /// Ascending positions of all others.
  public let base: [Int]
  /// For each shadow, whether it is trained on (and then unlearns) the i-th audited sample.
  public let isMember: [[Bool]]

  /// Draws a design.
  ///
  /// - Parameters:
  ///   - count: samples in the training set.
  ///   - share: share that is audited, 0...1; half of it is unlearned by each shadow.
  ///   - shadows: an even number, at least 6, so that each of two normal distributions is fitted to
  ///     at least two shadows beside the attacked pair.
  ///   - key: of all draws.
  /// - Throws: `RecipeError.setting`; `TensorError` when LibTorch is missing.
  public init(count: Int, share: Double, shadows: Int, key: RandomKey) throws {
    let check = SettingCheck("audit")
    try check.require(
      shadows >= 6 && shadows % 2 == 0, "shadows", "an even number of at least 6", shadows)
    let size = Int(share * Double(count))
    try check.require(
      size >= 2 && size < count, "share", "a share of at least two samples and not of all",
      "\(share), that is \(size) of \(count)")
    let chosen = try key.stream("audited").permutation(count).integers().prefix(size).sorted()
    let isAudited = Set(chosen)
    audited = chosen
    base = (0..<count).filter { !isAudited.contains($0) }
    isMember = try (0..<shadows / 2).flatMap { pair in
      let order = try key.stream("half").step(pair).permutation(size).integers()
      var half = [Bool](repeating: false, count: size)
      for position in order.prefix(size / 2) { half[position] = true }
      return [half, half.map { !$0 }]
    }
  }

  /// The training set of a shadow: ascending positions, and which of *its* samples it unlearns.
  public func task(_ shadow: Int) -> (train: [Int], forget: [Int]) {
    let members = Set(zip(audited, isMember[shadow]).filter(\.1).map(\.0))
    let train = (base + members).sorted()
    return (train, train.indices.filter { members.contains(train[$0]) })
  }
}
