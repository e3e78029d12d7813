import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import Foundation

/// The steps of one method. `Unlearner` runs them, saves between them and measures nothing itself.
protocol UnlearningProcedure: AnyObject {
  /// Steps of the whole run; 1 for a method that changes the weights at once.
  var steps: Int { get }
  /// The pass that a step belongs to; for the number of all steps, what would follow the last one.
  func pass(of step: Int) -> UnlearningPass
  /// What updates the weights; nil for a method that has no optimizer.
  var optimizer: (any Optimizer)? { get }
  /// Makes one step.
  func step(_ step: Int) throws -> StepOutcome
  /// Tensors that the next steps need beyond weights and optimizer, by owner.
  var states: [String: StateDict] { get }
  /// Takes them over from a checkpoint.
  func load(states: [String: StateDict]) throws
}

/// A procedure whose epochs are one pass each, all of the same number of steps.
protocol UniformProcedure: UnlearningProcedure {
  /// Steps of an epoch.
  var stepsPerEpoch: Int { get }
}

extension UniformProcedure {
  func pass(of step: Int) -> UnlearningPass {
    let epoch = step / stepsPerEpoch
    return UnlearningPass(epoch: epoch, steps: epoch * stepsPerEpoch..<(epoch + 1) * stepsPerEpoch)
  }
}

/// Consecutive steps of one epoch that descend the same loss, whose mean is recorded at their end.
struct UnlearningPass: Equatable {
  /// Number of the epoch, which is also the number of epochs that are over before it.
  var epoch: Int
  /// The steps of the pass, counted over the whole run.
  var steps: Range<Int>
}

/// What a step was like.
struct StepOutcome {
  /// The loss that was descended, in nats.
  var loss: Double
  /// Images that it looked at.
  var samples: Int
}

extension UnlearningProcedure {
  var states: [String: StateDict] { [:] }
  func load(states: [String: StateDict]) throws {}
}

/// One descent step: views, forward pass, gradient, masked update.
final class Descent {
  let context: UnlearningContext
  let options: FineTuningOptions
  let optimizer: any Optimizer
  private let schedule: Schedule

  init(
    _ context: UnlearningContext, _ options: FineTuningOptions, optimizer: (any Optimizer)? = nil
  )
    throws
  {
    self.context = context
    self.options = options
    self.optimizer = try optimizer ?? context.sgd(options)
    schedule = options.resolvedSchedule
  }

  /// Model input of a batch in the views of a step; `purpose` keeps batches of one step apart.
  func images(_ pixels: Tensor, step: Int, _ purpose: String) throws -> Tensor {
    try context.images(
      pixels, augment: options.augment,
      key: context.key.stream("view").stream(purpose).step(step))
  }

  /// Logits [B, classes], float32, of the model that is unlearned.
  func logits(_ images: Tensor) throws -> Tensor {
    try context.session.inPrecision { try context.model.head(features(images)).to(.float32) }
  }

  /// Features [B, D] of the model that is unlearned, in the precision that is set around the call.
  func features(_ images: Tensor) throws -> Tensor {
    guard let cut = context.cut else { return try context.model.features(images, mode) }
    return try context.model.features(
      activations: context.activations(images, before: cut), from: cut, mode)
  }

  /// Logits of training samples in the views of a step; what arrives at a cut is taken from memory where there
  /// are no random views. `purpose` keeps batches of one step apart.
  func logits(of batch: ImageDataset.Batch, step: Int, _ purpose: String) throws -> Tensor {
    guard let cut = context.cut, !options.augment || context.input.views.isEmpty else {
      return try logits(images(batch.images, step: step, purpose))
    }
    let arrivals = try context.activations(of: batch.indices, before: cut)
    return try context.session.inPrecision {
      let features = try context.model.features(activations: arrivals, from: cut, mode)
      return try context.model.head(features).to(.float32)
    }
  }

  private var mode: Mode { options.frozenStatistics ? .evaluation : .training }

  /// Descends a loss by one step at time `epoch` of the schedule.
  ///
  /// - Parameters:
  ///   - epoch: epochs done, with fractions.
  ///   - clear: drops gradients before the loss is differentiated.
  ///   - loss: a scalar.
  /// - Returns: the loss in nats.
  /// - Throws: `UnlearningError.notFinite` when the loss is not a finite number.
  func descend(epoch: Double, clear: [ParameterStore] = [], _ loss: () throws -> Tensor) throws
    -> Double
  {
    optimizer.learningRate = options.learningRate * schedule.factor(at: epoch)
    let value = try loss()
    for store in [context.model.state] + clear { try store.clearGradients() }
    try value.backward()
    try optimizer.step()
    let number = try value.item()
    guard number.isFinite else {
      throw UnlearningError.notFinite("loss", at: String(format: "in epoch %.1f", epoch))
    }
    return number
  }
}
