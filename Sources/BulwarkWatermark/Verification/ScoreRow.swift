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
  /// What the model says to ordinary images, once a score has asked for it.
  private struct Clean {
    /// What was asked about.
    let sample: CleanSample
    /// [N, classes], float32, on the CPU; nil where nothing more is to be read from them.
    var logits: Tensor?
    /// The model's own.
    let temperature: Double
    /// What of it leans, for each way of asking that scores of tilted answers wanted.
    var leaning: [SuspectAccess: Tensor] = [:]
  }

  private var clean: Clean?

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
        ?? (scores.first as? TiltScore)?.normalization
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
      let temperature = try carriers.first?.probe.map { try known($0, answers).temperature } ?? 1
      return try shared(carriers, answers, \.carriers) {
        try $0.value($1, temperature: temperature)
      }
    }
    if let tilts = scores as? [TiltScore], let first = tilts.first {
      let clean = try known(first.sample, answers)
      let leaning =
        try clean.leaning[first.access]
        ?? AnswerLean.answers(
          clean.logits ?? answers(first.sample.images),
          temperature: first.access == .labels ? nil : clean.temperature)
      self.clean?.leaning[first.access] = leaning
      // Of every null model a row is kept while keys are asked: no more of it than is needed.
      self.clean?.logits = nil
      guard first.carriers != nil else {
        return try tilts.map {
          try $0.value(nil, temperature: clean.temperature, answers: leaning)
        }
      }
      return try shared(tilts, answers, \.carriers!.carriers) {
        try $0.value($1, temperature: clean.temperature, answers: leaning)
      }
    }
    if let signals = scores as? [SignalScore], let first = signals.first {
      // Every signal is looked for in the same answers.
      let clean = try known(first.probe, answers)
      let logits = try clean.logits ?? answers(first.probe.images)
      return try signals.map { try $0.value(logits, temperature: clean.temperature) }
    }
    throw WatermarkError.mismatch("a mark in weights cannot be read from answers")
  }

  /// The model's answers to ordinary images, from before or asked for now.
  private func known(_ sample: CleanSample, _ answers: (ImageDataset) throws -> Tensor) throws
    -> Clean
  {
    if let clean, clean.sample === sample { return clean }
    let logits = try answers(sample.images)
    let clean = Clean(
      sample: sample, logits: logits,
      temperature: try AnswerTemperature.fitted(to: logits, labels: sample.images.labels))
    self.clean = clean
    return clean
  }

  /// The scores of answers to carriers: a few dozen keys at a time, since their carriers together must fit into memory.
  private func shared<Score: WatermarkScore>(
    _ scores: [Score], _ answers: (ImageDataset) throws -> Tensor,
    _ carriers: (Score) -> CarrierSet, _ value: (Score, Tensor) throws -> Double
  ) throws -> [Double?] {
    var values: [Double?] = []
    for first in stride(from: 0, to: scores.count, by: 64) {
      let part = scores[first..<min(scores.count, first + 64)]
      let logits = try answers(CarrierSet.images(of: part.map(carriers)))
      var start = 0
      for score in part {
        let count = carriers(score).count
        values.append(try value(score, logits.narrow(0, start: start, length: count)))
        start += count
      }
    }
    return values
  }
}
