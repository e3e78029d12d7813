import BulwarkData
import BulwarkNN
import BulwarkTensor
import BulwarkTraining

/// Scores of one model under many keys of one kind, with one pass over all that it is asked.
enum ScoreRow {
  /// - Parameters:
  ///   - scores: of keys that differ in nothing but their secret, or any others.
  ///   - model: never changed.
  ///   - session: device and precision.
  /// - Returns: a score for each key, nil where the model has no place for the mark.
  /// - Throws: `WatermarkError.notFinite` for a score that is no number; `TensorError`.
  static func values(
    _ scores: [any WatermarkScore], of model: ImageClassifier, session: TrainingSession
  ) throws -> [Double?] {
    try checked(scores, raw(scores, model, session))
  }

  /// The same for a suspect that can only be asked.
  ///
  /// - Parameters:
  ///   - scores: of keys that are read from answers.
  ///   - answers: gives [N, classes], float32, on the CPU: logits, or logarithms of probabilities.
  /// - Returns: a score for each key.
  /// - Throws: `WatermarkError.mismatch` for a mark in weights; what `answers` throws.
  static func values(
    _ scores: [any WatermarkScore], answers: (ImageDataset) throws -> Tensor
  ) throws -> [Double?] {
    try checked(scores, asked(scores, answers))
  }

  private static func checked(_ scores: [any WatermarkScore], _ values: [Double?]) throws
    -> [Double?]
  {
    guard values.allSatisfy({ $0?.isFinite != false }) else {
      throw WatermarkError.notFinite("the \(scores[0].metric.name) of a model")
    }
    return values
  }

  private static func raw(
    _ scores: [any WatermarkScore], _ model: ImageClassifier, _ session: TrainingSession
  ) throws -> [Double?] {
    let normalization =
      (scores.first as? CarrierScore)?.normalization
      ?? (scores.first as? SignalScore)?.normalization
    guard let normalization else {
      return try scores.map { try $0.score(model, session: session) }
    }
    return try asked(scores) { try model.logits(of: $0, normalization, session: session) }
  }

  private static func asked(
    _ scores: [any WatermarkScore], _ answers: (ImageDataset) throws -> Tensor
  ) throws -> [Double?] {
    if let carriers = scores as? [CarrierScore] {
      // All keys are read at the model's one temperature.
      let temperature = try carriers.first?.temperature(answers) ?? 1
      // A few dozen keys at a time: their carriers together must fit into memory.
      return try stride(from: 0, to: carriers.count, by: 64).flatMap { start in
        try values(
          Array(carriers[start..<min(carriers.count, start + 64)]), temperature, answers)
      }
    }
    if let signals = scores as? [SignalScore], let first = signals.first {
      // Every signal is looked for in the same answers.
      let logits = try answers(first.probe)
      return try signals.map { try $0.value(logits) }
    }
    throw WatermarkError.mismatch("a mark in weights cannot be read from answers")
  }

  private static func values(
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
