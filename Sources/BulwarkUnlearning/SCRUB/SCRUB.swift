import BulwarkNN
import BulwarkTensor
import BulwarkTraining

/// Settings of SCRUB.
public struct SCRUBOptions: Hashable, Sendable, Codable {
  /// Optimizer, epochs and step size; the batch size is that of the retain set.
  public var training: FineTuningOptions
  /// Images of a step on the forget set.
  public var forgetBatchSize: Int
  /// Epochs that begin with a pass away from the teacher on the forget set.
  public var forgetEpochs: Int
  /// Weight α of staying near the teacher on the retain set.
  public var alpha: Double
  /// Weight γ of the cross-entropy on the retain set.
  public var gamma: Double
  /// Temperature T of both divergences.
  public var temperature: Double

  /// The large-scale notebook of the authors.
  public init(
    training: FineTuningOptions = FineTuningOptions(
      epochs: 3, batchSize: 128, learningRate: 5e-4, schedule: .scrub),
    forgetBatchSize: Int = 32, forgetEpochs: Int = 2, alpha: Double = 0.001, gamma: Double = 0.99,
    temperature: Double = 4
  ) {
    self.training = training
    self.forgetBatchSize = forgetBatchSize
    self.forgetEpochs = forgetEpochs
    self.alpha = alpha
    self.gamma = gamma
    self.temperature = temperature
  }
}

/// SCRUB (Kurmanji et al., NeurIPS 2023, eqs. 2 and 3): a student that starts at the teacher moves away
/// from it on the forget set and stays near it on the retain set.
///
/// Each of the first epochs starts with a pass over the forget set that descends
/// −KL(teacher ‖ student); every epoch then passes over the retain set with γ · CE + α · KL. The
/// divergences are at temperature T and multiplied by T². Each pass has a mean loss of its own.
final class SCRUB: UnlearningProcedure {
  private let context: UnlearningContext
  private let options: SCRUBOptions
  private let descent: Descent
  private let teacher: ImageClassifier
  private var forgetWalk: BatchWalk
  private var retainWalk: BatchWalk

  init(_ context: UnlearningContext, _ options: SCRUBOptions) throws {
    self.context = context
    self.options = options
    descent = try Descent(context, options.training)
    teacher = try context.originalModel()
    forgetWalk = context.walk(context.forget, "forget", batchSize: options.forgetBatchSize)
    retainWalk = context.walk(context.retain, "retain", batchSize: options.training.batchSize)
  }

  var optimizer: (any Optimizer)? { descent.optimizer }
  var steps: Int {
    retainWalk.stepsPerEpoch * options.training.epochs
      + forgetWalk.stepsPerEpoch * forgetEpochs
  }
  private var forgetEpochs: Int { min(options.forgetEpochs, options.training.epochs) }

  func pass(of step: Int) -> UnlearningPass {
    let place = position(step)
    let length = place.isForgetting ? forgetWalk.stepsPerEpoch : retainWalk.stepsPerEpoch
    let start = step - place.step % length
    return UnlearningPass(epoch: place.epoch, steps: start..<start + length)
  }

  /// Where a step stands: its epoch, whether it forgets, and its number among the steps of its kind.
  func position(_ step: Int) -> (epoch: Int, isForgetting: Bool, step: Int) {
    let (lose, keep) = (forgetWalk.stepsPerEpoch, retainWalk.stepsPerEpoch)
    let both = lose + keep
    if step < forgetEpochs * both {
      let (epoch, within) = (step / both, step % both)
      return within < lose
        ? (epoch, true, epoch * lose + within) : (epoch, false, epoch * keep + within - lose)
    }
    let rest = step - forgetEpochs * both
    let epoch = forgetEpochs + rest / keep
    return (epoch, false, epoch * keep + rest % keep)
  }

  func step(_ step: Int) throws -> StepOutcome {
    let place = position(step)
    let batch =
      try place.isForgetting
      ? forgetWalk.batch(step: place.step) : retainWalk.batch(step: place.step)
    let images = try descent.images(
      batch.images, step: step, place.isForgetting ? "forget" : "retain")
    let labels = try batch.labels.to(context.session.device)
    let target = try withoutGradients {
      try context.session.inPrecision { try teacher.logits(images, .evaluation).to(.float32) }
    }
    let loss = try descent.descend(epoch: Double(place.epoch)) {
      let logits = try descent.logits(images)
      let divergence = try Divergence.batchMean(
        target, logits, temperature: options.temperature)
      if place.isForgetting { return try -divergence }
      return try options.gamma * logits.crossEntropy(labels) + options.alpha * divergence
    }
    return StepOutcome(loss: loss, samples: batch.indices.count)
  }
}
