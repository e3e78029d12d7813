import BulwarkData
import BulwarkNN
import BulwarkTensor
import BulwarkTraining
import Foundation
import Testing

@testable import BulwarkWatermark

@Suite("The temperature that answers are read at")
struct AnswerTemperatureTests {
  /// Random logits, and labels drawn from their softmax at a temperature.
  private func answers(_ temperature: Double, count: Int = 3000) throws -> (Tensor, [Int]) {
    let logits = try RandomKey(seed: 1).normal([count, 5]) * 4
    let probabilities = try (logits / temperature).softmax(1).doubles()
    let draws = try RandomKey(seed: 2).uniform([count]).doubles()
    let labels = (0..<count).map { row in
      var rest = draws[row]
      return (0..<4).first { column in
        rest -= probabilities[5 * row + column]
        return rest < 0
      } ?? 4
    }
    return (logits, labels)
  }

  @Test("It is the one that labels were drawn at", arguments: [0.7, 1, 3])
  func fits(temperature: Double) throws {
    let (logits, labels) = try answers(temperature)
    let found = try AnswerTemperature.fitted(to: logits, labels: labels)
    #expect(abs(found / temperature - 1) < 0.1, "\(found)")
  }

  @Test("It grows with the logits, whatever they were multiplied by or moved by for each image")
  func scales() throws {
    let (logits, labels) = try answers(2)
    let plain = try AnswerTemperature.fitted(to: logits, labels: labels)
    for factor in [1e-6, 0.01, 30] {
      let scaled = try AnswerTemperature.fitted(to: logits * factor, labels: labels)
      #expect(abs(scaled / (factor * plain) - 1) < 1e-3, "\(factor): \(scaled)")
    }
    let moved = try logits + RandomKey(seed: 3).normal([3000, 1])
    #expect(abs(try AnswerTemperature.fitted(to: moved, labels: labels) / plain - 1) < 1e-3)
  }

  @Test("It exists where all answers are right, all alike, or no numbers")
  func extremes() throws {
    let labels = (0..<60).map { $0 % 5 }
    let right = try Tensor(labels).oneHot(5).to(.float32) * 10
    let found = try AnswerTemperature.fitted(to: right, labels: labels)
    let confidence = exp(10 / found) / (exp(10 / found) + 4)
    #expect(confidence > 0.95 && confidence < 0.999, "\(confidence)")
    #expect(try AnswerTemperature.fitted(to: Tensor.ones([60, 5]), labels: labels) == 1)
    #expect(try AnswerTemperature.fitted(to: right * Double.nan, labels: labels) == 1)
  }

  @Test("A model is asked for its temperature once, however many keys are read")
  func fittedOnce() throws {
    let task = try TinyTask.shared.get()
    let model = try task.unmarked(seed: 3)
    let session = try TrainingSession(seed: 0)
    let test = try CleanSample(of: #require(task.data.evaluator.test))
    let scores = try [SuspectAccess.labels, .logits].map { access in
      try (0..<4).map {
        try task.key(.zhangContent, .small, index: $0).score(
          normalization: task.data.normalization, access: access, probe: test)
      }
    }
    var asked: [Int] = []
    let row = ScoreRow { images in
      asked.append(images.count)
      return try model.logits(of: images, task.data.normalization, session: session)
    }
    let apart = try scores[1].map { try row.values([$0])[0] }
    #expect(asked.count == 5 && asked[0] == test.images.count)
    let together = try ScoreRow(of: model, session: session).values(scores[1])
    for (one, other) in zip(apart, together) {
      #expect(abs(try #require(one) - #require(other)) < 1e-6)
    }
    // Counted answers have no temperature, and take none from the others.
    _ = try row.values(scores[0])
    #expect(asked.count == 6)
    #expect(
      try row.values(scores[0]) == ScoreRow(of: model, session: session).values(scores[0]))
  }

  @Test(
    "A thief who flattens or sharpens all probabilities changes no score", arguments: [1000, 0.02])
  func softened(temperature: Double) throws {
    let task = try TinyTask.shared.get()
    let model = try task.unmarked(seed: 3)
    let session = try TrainingSession(seed: 0)
    let softened = try AnswerSoftening(AnswerSofteningOptions(temperature: temperature)).surrogate(
      of: model, data: task.data, session: session)
    let test = try #require(task.data.evaluator.test)
    let sample = try CleanSample(of: test)
    for scheme in [WatermarkScheme.zhangContent, .tilted, .coswm] {
      let scores = try (0..<3).map {
        try task.key(scheme, .small, index: $0).score(
          normalization: task.data.normalization, access: .logits, probe: sample)
      }
      let plain = try ScoreRow(of: model, session: session).values(scores)
      let other = try ScoreRow(of: softened, session: session).values(scores)
      for (a, b) in zip(plain, other) {
        let (a, b) = (try #require(a), try #require(b))
        #expect(abs(a - b) < 1e-3 * max(1, abs(a)), "\(scheme): \(a) became \(b)")
      }
    }
    // As they come, probabilities are what the thief makes of them.
    let raw = CarrierScore(
      CarrierSet(test), normalization: task.data.normalization, access: .logits)
    let (before, after) = (
      try #require(try raw.score(model, session: session)),
      try #require(try raw.score(softened, session: session))
    )
    #expect(abs(before - after) > 0.02)
  }
}
