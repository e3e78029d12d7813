import BulwarkTensor
import Foundation

/// The pieces of MixMatch (Berthelot et al. 2019), as DBD's official code uses them.
public enum MixMatch {
  /// Mean of the views' probabilities, raised to 1 / T and normalized (eqs. 6 and 7); [N, C] without
  /// history.
  public static func sharpened(_ logits: [Tensor], temperature: Double) throws -> Tensor {
    var sum = try logits[0].to(.float32).softmax(1)
    for other in logits.dropFirst() { sum = try sum + other.to(.float32).softmax(1) }
    let powered = try (sum / Double(logits.count)).power(1 / temperature)
    return try (powered / powered.sum([1], keep: true)).detach()
  }

  /// Mixup over all groups at once (eqs. 8 to 11): one λ ~ Beta(α, α) a step, λ ← max(λ, 1 − λ), one
  /// permutation of the concatenation.
  ///
  /// - Returns: as many groups as were given.
  public static func mixed(inputs: [Tensor], targets: [Tensor], alpha: Double, key: RandomKey)
    throws -> (inputs: [Tensor], targets: [Tensor])
  {
    let lambda = lambda(alpha: alpha, key: key.stream("lambda"))
    let x = try Tensor.cat(inputs)
    let y = try Tensor.cat(targets)
    let order = try key.stream("order").permutation(x.shape[0]).to(x.device)
    let mixedX = try lambda * x + (1 - lambda) * x.indexSelect(0, order)
    let mixedY = try lambda * y + (1 - lambda) * y.indexSelect(0, order)
    var start = 0
    var result: (inputs: [Tensor], targets: [Tensor]) = ([], [])
    for group in inputs {
      let length = group.shape[0]
      result.inputs.append(try mixedX.narrow(0, start: start, length: length))
      result.targets.append(try mixedY.narrow(0, start: start, length: length))
      start += length
    }
    return result
  }

  /// max(λ, 1 − λ) with λ ~ Beta(α, α) = X / (X + Y), X and Y ~ Gamma(α, 1). Where both are too small for a
  /// double, α is so small that λ is 0 or 1 and nothing is mixed.
  public static func lambda(alpha: Double, key: RandomKey) -> Double {
    var generator = key.generator()
    let x = gamma(alpha, &generator)
    let y = gamma(alpha, &generator)
    let lambda = x + y > 0 ? x / (x + y) : 1
    return max(lambda, 1 - lambda)
  }

  /// Gamma(α, 1) by Marsaglia and Tsang (2000), with their boost for α < 1.
  private static func gamma(_ alpha: Double, _ generator: inout KeyedGenerator) -> Double {
    if alpha < 1 {
      return gamma(alpha + 1, &generator) * pow(1 - generator.uniform(), 1 / alpha)
    }
    let d = alpha - 1.0 / 3
    let c = 1 / (9 * d).squareRoot()
    while true {
      let radius = (-2 * Foundation.log(1 - generator.uniform())).squareRoot()
      let normal = radius * Foundation.cos(2 * .pi * generator.uniform())
      let v = pow(1 + c * normal, 3)
      if v <= 0 { continue }
      let u = 1 - generator.uniform()
      if Foundation.log(u) < 0.5 * normal * normal + d - d * v + d * Foundation.log(v) {
        return d * v
      }
    }
  }

  /// Rows of `all`, cut into pieces as long as the groups.
  static func separated(_ all: Tensor, like groups: [Tensor]) throws -> [Tensor] {
    var start = 0
    return try groups.map { group in
      let length = group.shape[0]
      defer { start += length }
      return try all.narrow(0, start: start, length: length)
    }
  }

  /// Exchanges blocks between the groups so that every forward pass sees all kinds of images: of
  /// three groups, the second block of the first goes to the second group and the third block to
  /// the third, and theirs come back. Applying it twice gives the groups back.
  public static func interleaved(_ groups: [Tensor]) throws -> [Tensor] {
    let count = groups.count
    let length = groups[0].shape[0]
    // Block sizes 21, 21, 22 for 64 in three groups: the remainder goes to the last blocks.
    let sizes = (0..<count).map { length / count + ($0 >= count - length % count ? 1 : 0) }
    let starts = sizes.indices.map { sizes[..<$0].reduce(0, +) }
    func block(_ group: Int, _ position: Int) throws -> Tensor {
      try groups[group].narrow(0, start: starts[position], length: sizes[position])
    }
    return try (0..<count).map { group in
      try Tensor.cat(
        (0..<count).map { position in
          if group == 0 { return try block(position, position) }
          return try block(position == group ? 0 : group, position)
        })
    }
  }

  /// Cross-entropy with soft targets on the first group plus `weight` times the mean squared error
  /// of probabilities on the others, over samples and classes (eqs. 2 to 5).
  public static func loss(_ logits: [Tensor], _ targets: [Tensor], weight: Double) throws
    -> Tensor
  {
    let labeled = try -(targets[0] * logits[0].logSoftmax(1)).sum([1]).mean()
    let difference =
      try Tensor.cat(Array(logits.dropFirst())).softmax(1)
      - Tensor.cat(Array(targets.dropFirst()))
    return try labeled + weight * difference.square().mean()
  }
}
