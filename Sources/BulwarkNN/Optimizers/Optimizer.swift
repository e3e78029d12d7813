import BulwarkTensor
import Foundation

/// An update rule with its state.
public protocol Optimizer: AnyObject {
  /// Step size of the next update.
  var learningRate: Double { get set }
  /// Updates every parameter that has a gradient; the others are left alone, state included.
  func step() throws
  /// State tensors under `<parameter>.<slot>` names, for checkpoints.
  var state: [(name: String, tensor: Tensor)] { get }
  /// Takes over state saved by `state`.
  func load(_ state: [(name: String, tensor: Tensor)]) throws
}

/// Step size over time.
public enum Schedule: Hashable, Sendable, Codable {
  /// Always the base rate.
  case constant
  /// (1 + cos(π · t / total)) / 2 of the base rate, as PyTorch's CosineAnnealingLR with minimum 0.
  case cosine(total: Double)
  /// Multiplied by `factor` at every milestone passed.
  case steps(milestones: [Double], factor: Double)
  /// Linear from 0 over `warmup`, then cosine to 0 at `total`.
  case warmupCosine(warmup: Double, total: Double)

  /// Share of the base rate at time `t`, in the unit of the schedule's numbers.
  public func factor(at t: Double) -> Double {
    switch self {
    case .constant: return 1
    case .cosine(let total): return Schedule.cosineShare(t / total)
    case .steps(let milestones, let factor):
      return milestones.reduce(1) { t >= $1 ? $0 * factor : $0 }
    case .warmupCosine(let warmup, let total):
      if t < warmup { return t / warmup }
      return Schedule.cosineShare((t - warmup) / max(total - warmup, .leastNormalMagnitude))
    }
  }

  private static func cosineShare(_ x: Double) -> Double { (1 + cos(.pi * min(max(x, 0), 1))) / 2 }
}
