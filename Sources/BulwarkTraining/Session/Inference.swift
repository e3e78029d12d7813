import BulwarkData
import BulwarkNN
import BulwarkTensor

extension ImageClassifier {
  /// Logits [N, classes] on the CPU, float32, of a whole data set in evaluation mode.
  ///
  /// - Parameters:
  ///   - dataset: the images, in stored order.
  ///   - normalization: how pixels become input.
  ///   - session: device and precision.
  ///   - batchSize: images of one pass.
  ///   - view: makes the model's input from stored pixels [B, C, H, W] uint8 and the number of the
  ///     batch; plain normalization by default.
  /// - Returns: [N, classes], float32, CPU.
  /// - Throws: `TensorError` when the images do not fit the model.
  public func logits(
    of dataset: ImageDataset, _ normalization: Normalize, session: TrainingSession,
    batchSize: Int = 256, view: ((Tensor, Int) throws -> Tensor)? = nil
  ) throws -> Tensor {
    var parts: [Tensor] = []
    try withoutGradients {
      for start in stride(from: 0, to: dataset.count, by: batchSize) {
        let length = min(batchSize, dataset.count - start)
        let pixels = try dataset.images.narrow(0, start: start, length: length)
        let input =
          try view?(pixels, start / batchSize) ?? normalization.prepare(pixels, on: session.device)
        let output = try session.inPrecision { try logits(input, .evaluation) }
        parts.append(try output.to(.float32).to(.cpu))
      }
    }
    return try Tensor.cat(parts)
  }

  /// The most probable class of every sample, in evaluation mode.
  public func predictions(
    of dataset: ImageDataset, _ normalization: Normalize, session: TrainingSession
  ) throws -> [Int] {
    try logits(of: dataset, normalization, session: session).argmax(1).integers()
  }
}

/// A test with a trigger on it: what a backdoor would answer to.
public struct TriggeredTest: Sendable {
  /// Triggered images with their true labels; none of the target class.
  public let dataset: ImageDataset
  /// The label that the attacker wants.
  public let target: Int

  /// Describes a test.
  public init(dataset: ImageDataset, target: Int) {
    self.dataset = dataset
    self.target = target
  }
}

/// The measurements every training method takes after every stage.
public struct Evaluator: Sendable {
  /// Clean test images.
  public let test: ImageDataset?
  /// Triggered test images, where the trigger is known.
  public let triggered: TriggeredTest?
  /// How pixels become input.
  public let normalization: Normalize

  /// Describes the measurements.
  public init(test: ImageDataset?, triggered: TriggeredTest?, normalization: Normalize) {
    self.test = test
    self.triggered = triggered
    self.normalization = normalization
  }

  /// Images of one measurement.
  public var imageCount: Int { (test?.count ?? 0) + (triggered?.dataset.count ?? 0) }

  /// Clean accuracy, attack success rate and robust accuracy, as far as there are images for them.
  public func measure(_ model: ImageClassifier, session: TrainingSession) throws -> [MetricValue] {
    var values: [MetricValue] = []
    if let test {
      let predicted = try model.predictions(of: test, normalization, session: session)
      let correct = zip(predicted, test.labels).count { $0 == $1 }
      values.append(
        MetricValue(
          Metric.cleanAccuracy, Double(correct) / Double(test.count), count: test.count))
    }
    if let triggered {
      let set = triggered.dataset
      let predicted = try model.predictions(of: set, normalization, session: session)
      let hits = predicted.count { $0 == triggered.target }
      let correct = zip(predicted, set.labels).count { $0 == $1 }
      values.append(
        MetricValue(Metric.attackSuccessRate, Double(hits) / Double(set.count), count: set.count))
      values.append(
        MetricValue(Metric.robustAccuracy, Double(correct) / Double(set.count), count: set.count))
    }
    return values
  }
}
