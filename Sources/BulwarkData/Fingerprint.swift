import BulwarkStore
import BulwarkTensor

/// Names the exact content of data, so that a result can say what it was made from.
public enum Fingerprint {
  /// SHA-256 of a data set, as 64 hexadecimal digits.
  ///
  /// It is the digest of this text, whose inner digests are SHA-256 as well:
  /// ```
  /// bulwark.dataset/1
  /// shape N C H W
  /// pixels <digest of the N*C*H*W bytes>
  /// labels <digest of the labels, 8 bytes each, little-endian>
  /// classes <digest of the class names, each followed by one zero byte>
  /// ```
  /// with one newline after every line. File names do not count. One pass over the pixels.
  public static func of(_ dataset: ImageDataset) throws -> String {
    let pixels = try dataset.images.withUnsafeBytes { SHA256Digest(of: $0) }
    let labels = dataset.labels.map { Int64($0).littleEndian }.withUnsafeBytes {
      SHA256Digest(of: $0)
    }
    let classes = SHA256Digest(of: dataset.classNames.flatMap { Array($0.utf8) + [0] })
    let shape = dataset.images.shape.map(String.init).joined(separator: " ")
    return SHA256Digest(
      of: "bulwark.dataset/1\nshape \(shape)\npixels \(pixels)\nlabels \(labels)\n"
        + "classes \(classes)\n"
    ).description
  }

  /// SHA-256 of a file, as 64 hexadecimal digits.
  /// - Throws: `DataError.missing`, `.symlinkLoop` or `.unreadable`.
  public static func ofFile(_ path: String) throws -> String {
    SHA256Digest(of: try FileBytes.read(path)).description
  }
}
