import BulwarkData
import BulwarkNN
import BulwarkTensor
import BulwarkTraining

/// The measures of forgetting, all in evaluation mode and without random views.
public struct ForgettingEvaluator: Sendable {
  /// Data and forget set.
  public let input: UnlearningInput
  /// Clean test images; where all samples of a class are forgotten, TA and MIA leave that class out.
  public let test: ImageDataset?
  /// Triggered test images, where a trigger is known.
  public let triggered: TriggeredTest?

  /// Describes the measurements.
  public init(input: UnlearningInput, test: ImageDataset?, triggered: TriggeredTest? = nil) {
    self.input = input
    self.test = test
    self.triggered = triggered
  }

  /// What one model is like.
  public struct Outcome: Sendable {
    /// The measurements.
    public let values: [MetricValue]
    /// Probability of the given label for each training sample, in 0...1.
    public let confidence: [Double]

    /// The value of a measure, where it was taken.
    public func value(_ definition: MetricDefinition) -> Double? {
      values.first { $0.definition == definition }?.value
    }
  }

  /// Measures a model.
  ///
  /// - Returns: UA, RA, and, where there are test images, TA and both forms of MIA; mean confidence on
  ///   the forget set; where a trigger is known, attack success rate and robust accuracy.
  /// - Throws: `TensorError`.
  public func measure(_ model: ImageClassifier, session: TrainingSession) throws -> Outcome {
    let (forget, retain) = (input.forgetSet.forget, input.forgetSet.retain)
    let train = try answers(model, input.train, session)
    let lost = forget.count { train.isCorrect[$0] }
    let kept = retain.count { train.isCorrect[$0] }
    let forgetConfidence = forget.map { train.confidence[$0] }
    var values = [
      MetricValue(
        Metric.unlearningAccuracy, 1 - Double(lost) / Double(forget.count), count: forget.count),
      MetricValue(Metric.retainAccuracy, Double(kept) / Double(retain.count), count: retain.count),
    ]
    if let test = try remainingTest() {
      let answers = try answers(model, test, session)
      let correct = answers.isCorrect.count { $0 }
      values.append(
        MetricValue(Metric.testAccuracy, Double(correct) / Double(test.count), count: test.count))
      let attacks: [(MetricDefinition, ConfidenceAttack)] = [
        (Metric.miaEfficacy, ConfidenceAttack(.official)),
        (Metric.miaEfficacyScaled, ConfidenceAttack(.scaled)),
      ]
      for (definition, attack) in attacks {
        let efficacy = attack.efficacy(
          forget: forgetConfidence, retain: retain.map { train.confidence[$0] },
          test: answers.confidence)
        values.append(MetricValue(definition, efficacy.share, count: forget.count))
      }
    }
    values.append(
      MetricValue(
        Metric.forgetConfidence, forgetConfidence.reduce(0, +) / Double(forget.count),
        count: forget.count))
    values += try Evaluator(
      test: nil, triggered: triggered, normalization: input.normalization
    ).measure(model, session: session)
    return Outcome(values: values, confidence: train.confidence)
  }

  /// The classes of which every training sample is forgotten.
  public var forgottenClasses: Set<Int> {
    let kept = Set(input.forgetSet.retain.map { input.train.labels[$0] })
    return Set(input.forgetSet.allForgotten.map { input.train.labels[$0] }).subtracting(kept)
  }

  /// Test images of classes that are not forgotten; nil when there are none.
  private func remainingTest() throws -> ImageDataset? {
    guard let test else { return nil }
    let forgotten = forgottenClasses
    let remaining = test.labels.indices.filter { !forgotten.contains(test.labels[$0]) }
    return remaining.isEmpty ? nil : try test.subset(remaining)
  }

  private func answers(
    _ model: ImageClassifier, _ dataset: ImageDataset, _ session: TrainingSession
  ) throws -> (isCorrect: [Bool], confidence: [Double]) {
    let logits = try model.logits(of: dataset, input.normalization, session: session)
    let labels = try Tensor(dataset.labels).reshape([-1, 1])
    let predicted = try logits.argmax(1).integers()
    return (
      zip(predicted, dataset.labels).map { $0 == $1 },
      try logits.softmax(1).gather(1, labels).doubles()
    )
  }
}
