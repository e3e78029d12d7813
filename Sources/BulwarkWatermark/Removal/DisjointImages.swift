import BulwarkData
import BulwarkStore

extension ImageDataset {
  /// The images that are in none of other data sets, compared pixel by pixel: an attacker's images
  /// must hold no carrier, and disjoint images none of the owner's.
  ///
  /// - Parameter others: data sets of any size and labels.
  /// - Returns: the data set without them, and how many were left out.
  /// - Throws: `RemovalError.images` when nothing is left; `TensorError`.
  public func without(_ others: [ImageDataset]) throws -> (images: ImageDataset, removed: Int) {
    var known = Set<SHA256Digest>()
    for other in others { known.formUnion(try other.imageDigests()) }
    let own = try imageDigests()
    let kept = own.indices.filter { !known.contains(own[$0]) }
    guard !kept.isEmpty else {
      throw RemovalError.images("every image of the data set is also in another one")
    }
    return (try subset(kept), count - kept.count)
  }

  /// SHA-256 of shape and pixels of every image.
  private func imageDigests() throws -> [SHA256Digest] {
    let size = channels * height * width
    let form = Array("\(channels)x\(height)x\(width):".utf8)
    return try images.withUnsafeBytes { bytes in
      (0..<count).map { index in
        let pixels = UnsafeRawBufferPointer(rebasing: bytes[index * size..<(index + 1) * size])
        return SHA256Digest(of: form + Array(pixels))
      }
    }
  }
}
