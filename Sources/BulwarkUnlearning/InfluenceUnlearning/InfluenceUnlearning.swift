import BulwarkNN
import BulwarkTensor
import BulwarkTraining
import Foundation

/// Settings of influence unlearning.
public struct InfluenceUnlearningOptions: Hashable, Sendable, Codable {
  /// Step size α; the paper tunes it in 1...20.
  public var alpha: Double
  /// Single-sample gradients N of the Hessian's estimate.
  public var samples: Int
  /// How the inverse Hessian is applied.
  public var form: Form
  /// Memory that the gradients may take, in GiB; fewer samples are used when N gradients need more.
  public var memoryLimit: Double

  /// How the inverse Hessian is applied.
  public enum Form: String, Sendable, Codable, CaseIterable {
    /// The WoodFisher estimate F = I + (1/N) Σ g gᵀ, inverted exactly.
    case woodFisher = "woodfisher"
    /// The official code, whose recursion stays parallel to the first gradient.
    case rankOne = "rank_one"
  }

  /// α 1, 1,000 gradients as in the official code, the true inverse, 4 GiB.
  public init(
    alpha: Double = 1, samples: Int = 1000, form: Form = .woodFisher, memoryLimit: Double = 4
  ) {
    self.alpha = alpha
    self.samples = samples
    self.form = form
    self.memoryLimit = memoryLimit
  }
}

/// IU (Koh & Liang 2017; Izzo et al. 2021; with WoodFisher in Jia et al. 2023): one step against the
/// influence of the forget set, θ ← θ + α · F⁻¹ v.
///
/// With n_f and n_r samples and sums s of single-sample gradients at the original weights in
/// evaluation mode, v = s_f / n − s_r · n_f / (n · n_r) (official `Wfisher.py`). The mask, where there is
/// one, limits the step. Deviation: no random views.
final class InfluenceUnlearning: UniformProcedure {
  private let context: UnlearningContext
  private let options: InfluenceUnlearningOptions

  init(_ context: UnlearningContext, _ options: InfluenceUnlearningOptions) {
    self.context = context
    self.options = options
  }

  var optimizer: (any Optimizer)? { nil }
  let steps = 1
  let stepsPerEpoch = 1

  func step(_ step: Int) throws -> StepOutcome {
    let (lost, kept) = (Double(context.forget.count), Double(context.retain.count))
    let influence = try withGradients {
      let forgetSum = try context.gradientSum(context.forget)
      let retainSum = try context.gradientSum(context.retain)
      return try forgetSum / (lost + kept) - retainSum * (lost / ((lost + kept) * kept))
    }
    let direction =
      switch options.form {
      case .woodFisher: try woodFisher(influence)
      case .rankOne: try rankOne(influence)
      }
    guard try direction.isFinite().to(.float32).min().item() == 1 else {
      throw UnlearningError.notFinite("influence", at: "after \(options.samples) gradients")
    }
    try context.add(direction * options.alpha)
    return StepOutcome(loss: 0, samples: context.known.count)
  }

  /// The gradient of the i-th retained sample.
  private func gradient(_ index: Int) throws -> Tensor {
    try context.gradientSum([context.retain[index % context.retain.count]], batchSize: 1)
  }

  /// F⁻¹ v = v − Gᵀ (N · I + G Gᵀ)⁻¹ G v for F = I + (1/N) Gᵀ G (Woodbury), the rows of G being single
  /// gradients: the same as WoodFisher's recursion from F₀⁻¹ = I (Singh & Alistarh 2020, eq. 6).
  private func woodFisher(_ vector: Tensor) throws -> Tensor {
    let bytes = Double(4 * vector.count)
    let affordable = options.memoryLimit * 1_073_741_824 / bytes
    let wanted = min(options.samples, context.retain.count)
    let count = max(1, Int(min(Double(wanted), affordable)))
    if count < min(options.samples, context.retain.count) {
      context.session.tell(
        .note("\(count) gradients fit in \(options.memoryLimit) GiB, not \(options.samples)"))
    }
    // Their order is random: the data set may be sorted by class.
    let order = try context.key.stream("fisher").permutation(context.retain.count).integers()
    let rows = try Tensor.empty([count, vector.count], device: vector.device)
    for row in 0..<count {
      try rows.narrow(0, start: row, length: 1).copy(
        from: gradient(order[row]).reshape([1, vector.count]))
    }
    return try InverseFisher.product(rows: rows, vector: vector)
  }

  /// The official recursion: o ← g₀; for every later g: t = o · g, k ← k − (k · g) / (N + t) · o, then
  /// o ← o − t / (N + t) · o; k starts at v. Two more gradients than N, in stored order.
  private func rankOne(_ vector: Tensor) throws -> Tensor {
    let total = Double(options.samples)
    var direction = try gradient(0)
    var product = vector
    for index in 1..<(options.samples + 2) {
      let gradient = try gradient(index)
      let overlap = try (direction * gradient).sum().item()
      let along = try (product * gradient).sum().item()
      product = try product - direction * (along / (total + overlap))
      direction = try direction - direction * (overlap / (total + overlap))
    }
    return product
  }
}
