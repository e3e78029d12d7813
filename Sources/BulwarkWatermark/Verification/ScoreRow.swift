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
    let values = try raw(scores, model, session)
    guard values.allSatisfy({ $0?.isFinite != false }) else {
      throw WatermarkError.notFinite("the \(scores[0].metric.name) of a model")
    }
    return values
  }

  private static func raw(
    _ scores: [any WatermarkScore], _ model: ImageClassifier, _ session: TrainingSession
  ) throws -> [Double?] {
    if let carriers = scores as? [CarrierScore], let first = carriers.first {
      // A few dozen keys at a time: their carriers together must fit into memory.
      return try stride(from: 0, to: carriers.count, by: 64).flatMap { start in
        try values(
          Array(carriers[start..<min(carriers.count, start + 64)]), first, model, session)
      }
    }
    if let signals = scores as? [SignalScore], let first = signals.first {
      // Every signal is looked for in the same answers.
      let logits = try model.logits(of: first.probe, first.normalization, session: session)
      return try signals.map { try $0.value(logits) }
    }
    return try scores.map { try $0.score(model, session: session) }
  }

  private static func values(
    _ scores: [CarrierScore], _ first: CarrierScore, _ model: ImageClassifier,
    _ session: TrainingSession
  ) throws -> [Double?] {
    let images = try Tensor.cat(scores.map(\.carriers.images))
    let all = try ImageDataset(
      images: images, labels: [Int](repeating: 0, count: images.shape[0]), classNames: ["any"])
    let logits = try model.logits(of: all, first.normalization, session: session)
    var start = 0
    return try scores.map { score in
      defer { start += score.count }
      return try score.value(logits.narrow(0, start: start, length: score.count))
    }
  }
}
