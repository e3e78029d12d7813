import BulwarkNN
import BulwarkStore
import BulwarkTensor

/// What an owner publishes before a release: one digest that fixes secret, owner, scheme, settings,
/// how the key came to be, carriers' material and the very model.
///
/// commitment = SHA-256 over the fields in order, each preceded by its length in eight bytes, so that no
/// two lists of fields give the same bytes. Published with a trusted time stamp before the model is
/// released, it makes it impossible to fit a key to a suspect afterwards (fact: Adi et al. 2018 and Liu et
/// al. 2024 on ambiguity attacks).
public struct Commitment: Hashable, Sendable, CustomStringConvertible {
  /// The 32 bytes.
  public let digest: SHA256Digest

  /// A commitment over some fields.
  public init(fields: [[UInt8]]) {
    var bytes: [UInt8] = []
    for field in fields {
      bytes += (0..<8).map { UInt8(truncatingIfNeeded: UInt64(field.count) >> (8 * $0)) } + field
    }
    digest = SHA256Digest(of: bytes)
  }

  /// A commitment as it is written: `sha256:` and 64 hexadecimal digits; nil for anything else.
  public init?(parsing text: String) {
    guard text.hasPrefix("sha256:"), let digest = SHA256Digest(hexadecimal: text.dropFirst(7))
    else { return nil }
    self.digest = digest
  }

  /// `sha256:` and 64 hexadecimal digits.
  public var description: String { "sha256:\(digest)" }

  /// The digest of a model: architecture, and name, type, shape and bytes of every tensor in order.
  ///
  /// - Parameters:
  ///   - weights: as a checkpoint holds them.
  ///   - architecture: as a checkpoint holds it.
  /// - Returns: the same for a file that is written, read and written again.
  /// - Throws: `TensorError` when a tensor cannot be copied to the CPU.
  public static func modelDigest(_ weights: StateDict, architecture: JSONValue) throws
    -> SHA256Digest
  {
    var lines = [try architecture.text()]
    for (name, tensor) in weights.pairs {
      let stored = try tensor.detach().to(.cpu).contiguous()
      let digest = try stored.withUnsafeBytes { SHA256Digest(of: $0) }
      lines.append("\(name) \(stored.dtype.name) \(stored.shape) \(digest)")
    }
    return SHA256Digest(of: lines.joined(separator: "\n"))
  }
}

extension Checkpoint {
  /// The commitment to the watermark that the model says it carries: all that a released model tells.
  public var watermarkCommitment: Commitment? {
    notes["watermark"]?["commitment"]?.stringValue.flatMap(Commitment.init(parsing:))
  }

  /// The digest that a commitment binds.
  ///
  /// - Throws: `TensorError`.
  public func modelDigest() throws -> SHA256Digest {
    try Commitment.modelDigest(weights, architecture: architecture)
  }
}
