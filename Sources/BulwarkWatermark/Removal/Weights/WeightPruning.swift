import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining

/// Settings of weight pruning.
public struct WeightPruningOptions: Hashable, Sendable, Codable {
  /// Share of the weights that become 0, 0...1.
  public var share: Double
  /// Among which weights the smallest are sought.
  public var scope: Scope

  /// Among which weights the smallest are sought.
  public enum Scope: String, Sendable, Codable, CaseIterable {
    /// Those of one tensor: the same share of each goes.
    case tensor
    /// Those of all tensors.
    case global
  }

  /// The SoK toolbox's settings: half of each tensor.
  public init(share: Double = 0.5, scope: Scope = .tensor) {
    self.share = share
    self.scope = scope
  }
}

/// Magnitude pruning: the floor(N · share) smallest weights by magnitude become 0.
///
/// Convolutions and linear layers only; biases and batch normalization are left alone. Nothing is
/// trained: a chain such as `prune:share=0.5+ftal` trains afterwards, and pruned weights may grow again.
/// Source: SoK toolbox, `wrt/attacks/removal/weight_pruning.py` (per tensor); SSW's repository (global).
public struct WeightPruning: DescribedRemovalAttack {
  /// Name in results.
  public let name: String
  /// Settings.
  public let options: WeightPruningOptions

  /// The attack with these settings.
  ///
  /// - Throws: `RecipeError.setting`.
  public init(_ options: WeightPruningOptions = WeightPruningOptions(), name: String = "prune")
    throws
  {
    try SettingCheck(name).number("share", options.share, to: 1)
    self.options = options
    self.name = name
  }

  /// Every setting.
  public var settings: JSONValue { ["prune": SettingsJSON.of(options)] }

  /// Nothing beyond the settings.
  public var remark: String { "" }

  /// A pruned copy of the stolen model. The random key is not used.
  public func surrogate(of model: ImageClassifier, data: TrainingData, session: TrainingSession)
    throws -> ImageClassifier
  {
    let surrogate = try model.surrogateCopy(on: session.device)
    let weights = surrogate.weightTensors
    try withoutGradients {
      switch options.scope {
      case .tensor:
        for weight in weights {
          let flat = try weight.reshape([-1])
          try weight.copy(from: pruned(flat).reshape(weight.shape))
        }
      case .global:
        let flat = try pruned(Tensor.cat(weights.map { try $0.reshape([-1]) }))
        var start = 0
        for weight in weights {
          let part = try flat.narrow(0, start: start, length: weight.count)
          try weight.copy(from: part.reshape(weight.shape))
          start += weight.count
        }
      }
    }
    return surrogate
  }

  /// A vector with its floor(N · share) smallest magnitudes at 0.
  private func pruned(_ flat: Tensor) throws -> Tensor {
    // 0.1 · 10 is a little below 1 for some shares: what is meant is the whole number.
    let count = Int(options.share * Double(flat.count) + 1e-9)
    guard count > 0 else { return flat }
    let smallest = try flat.abs().topK(count, dim: 0, largest: false).indices
    return try flat.scatter(0, smallest, Tensor.zeros([count], device: flat.device))
  }
}

extension ImageClassifier {
  /// Weights of convolutions and linear layers: no bias and nothing of batch normalization.
  var weightTensors: [Tensor] {
    state.parameters.map(\.tensor).filter { $0.rank >= 2 }
  }
}
