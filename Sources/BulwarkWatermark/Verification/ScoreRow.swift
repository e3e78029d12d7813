import BulwarkData
import BulwarkNN
import BulwarkTensor
import BulwarkTraining

/// Scores of one model under many keys: keys that are asked together share one pass over all their images,
/// and the model's temperature is fitted once, whatever their number.
final class ScoreRow {
  /// Whom the keys are asked of.
  private enum Subject {
    /// A model, whose images are normalized as the scores say.
    case model(ImageClassifier, TrainingSession, served: (ImageDataset) throws -> ImageDataset)
    /// A suspect that can only be asked.
    case served((ImageDataset) throws -> Tensor)
  }

  private let subject: Subject
  /// Of the model, once a score with a probe has asked for it.
  private var temperature: Double?

  /// - Parameters:
  ///   - model: never changed, not by others either while the row is in use.
  ///   - session: device and precision.
  ///   - served: what whoever serves the model makes of images before the model sees them.
  init(
    of model: ImageClassifier, session: TrainingSession,
    served: @escaping (ImageDataset) throws -> ImageDataset = { $0 }
  ) {
    subject = .model(model, session, served: served)
  }

  /// - Parameter answers: gives [N, classes], float32, on the CPU: logits, or logarithms of probabilities.
  init(asking answers: @escaping (ImageDataset) throws -> Tensor) {
    subject = .served(answers)
  }

  /// - Parameter scores: of keys that differ in nothing but their secret, or any others; in every call with
  ///   the same probe, or none.
  /// - Returns: a score for each key, nil where the model has no place for the mark.
  /// - Throws: `WatermarkError.notFinite` for a score that is no number; `WatermarkError.mismatch` where
  ///   answers are asked about a mark in weights; what answering throws; `TensorError`.
  func values(_ scores: [any WatermarkScore]) throws -> [Double?] {
    let values = try unchecked(scores)
    guard values.allSatisfy({ $0?.isFinite != false }) else {
      throw WatermarkError.notFinite("the \(scores[0].metric.name) of a model")
    }
    return values
  }

  /// The same, and no numbers where the model gives none.
  func unchecked(_ scores: [any WatermarkScore]) throws -> [Double?] {
    switch subject {
    case .served(let answers): return try asked(scores, answers)
    case .model(let model, let session, let served):
      let normalization =
        (scores.first as? CarrierScore)?.normalization
        ?? (scores.first as? SignalScore)?.normalization
      guard let normalization else {
        return try scores.map { try $0.score(model, session: session) }
      }
      return try asked(scores) {
        try model.logits(of: served($0), normalization, session: session)
      }
    }
  }

  private func asked(
    _ scores: [any WatermarkScore], _ answers: (ImageDataset) throws -> Tensor
  ) throws -> [Double?] {
    if let carriers = scores as? [CarrierScore] {
      let temperature = try fitted(carriers.first, answers)
      // A few dozen keys at a time: their carriers together must fit into memory.
      return try stride(from: 0, to: carriers.count, by: 64).flatMap { start in
        try values(
          Array(carriers[start..<min(carriers.count, start + 64)]), temperature, answers)
      }
    }
    if let signals = scores as? [SignalScore], let first = signals.first {
      // Every signal is looked for in the same answers.
      let logits = try answers(first.probe)
      let temperature = try AnswerTemperature.fitted(to: logits, labels: first.probe.labels)
      return try signals.map { try $0.value(logits, temperature: temperature) }
    }
    throw WatermarkError.mismatch("a mark in weights cannot be read from answers")
  }

  /// The model's temperature, from before or fitted now; 1 where the score wants none.
  private func fitted(_ score: CarrierScore?, _ answers: (ImageDataset) throws -> Tensor) throws
    -> Double
  {
    guard let score, score.probe != nil else { return 1 }
    if let temperature { return temperature }
    let fitted = try score.temperature(answers)
    temperature = fitted
    return fitted
  }

  private func values(
    _ scores: [CarrierScore], _ temperature: Double, _ answers: (ImageDataset) throws -> Tensor
  ) throws -> [Double?] {
    let logits = try answers(CarrierSet.images(of: scores.map(\.carriers)))
    var start = 0
    return try scores.map { score in
      defer { start += score.count }
      return try score.value(
        logits.narrow(0, start: start, length: score.count), temperature: temperature)
    }
  }
}
