import BulwarkData
import BulwarkStore
import BulwarkTensor

/// A suspect that is only served: it is known by its answers to a query set.
public struct ServedSuspect: Sendable {
  /// Number of classes.
  public let classes: Int
  /// What was asked of it: `labels` or `logits`.
  public let access: SuspectAccess
  /// Logarithms of probabilities, [queries, classes], float32.
  private let answers: Tensor
  /// The query with these pixels.
  private let places: [SHA256Digest: Int]

  /// Smallest probability that is told from 0.
  private static let floor: Float = 1e-12

  /// Joins queries and answers.
  ///
  /// - Parameters:
  ///   - queries: the images of a `QuerySet`.
  ///   - answers: one row for each of them.
  /// - Throws: `WatermarkError.mismatch` when their numbers differ; `TensorError`.
  public init(_ queries: ImageDataset, answers: ServedAnswers) throws {
    guard queries.count == answers.rows.count,
      answers.rows.allSatisfy({ $0.count == queries.classCount })
    else {
      throw WatermarkError.mismatch(
        "\(answers.rows.count) answers do not belong to \(queries.count) queries")
    }
    classes = queries.classCount
    access = answers.hasProbabilities ? .logits : .labels
    let floor = Self.floor
    self.answers = try Tensor(
      answers.rows.flatMap { $0.map { max($0, floor) } },
      shape: [queries.count, queries.classCount]
    ).log()
    places = Dictionary(
      zip(try ImageDigests.of(queries.images), 0...), uniquingKeysWith: { first, _ in first })
  }

  /// The answers to some images.
  ///
  /// - Parameter images: all of them among the queries.
  /// - Returns: logarithms of probabilities, [N, classes], float32, on the CPU.
  /// - Throws: `WatermarkError.mismatch` for an image that was not asked about.
  func answers(to images: ImageDataset) throws -> Tensor {
    let found = try ImageDigests.of(images.images).map { digest in
      guard let place = places[digest] else {
        throw WatermarkError.mismatch(
          "an image that must be asked about is not among the queries; write them again with the "
            + "same key, data, evidence.reading and numbers of foreign keys, and with the same null models where the "
            + "owner chose directions (nulls.training and draw, views, precision)")
      }
      return place
    }
    return try answers.indexSelect(0, Tensor(found))
  }
}
