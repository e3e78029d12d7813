import CHDF5
import Foundation
import Testing

@testable import BulwarkStore

/// What a hostile or careless writer could put into a file; Bulwark's own writer offers none of it.
enum RawStorage: Sendable {
  case external, virtual, filtered, lateBomb, chunkedBomb, overflow
}

private let defaults = hid_t(H5P_DEFAULT)

/// Reopens the file of a group for raw calls: HDF5 hands out the path, the test owns the identifier.
private func withRaw(_ group: HDF5Group, _ body: (hid_t) throws -> Void) throws {
  let identifier = try #require(
    Mirror(reflecting: group.handle).children.first { $0.label == "identifier" }?.value as? hid_t)
  try HDF5Library.locked { try body(identifier) }
}

func addLink(to group: HDF5Group, _ target: String, soft: Bool) throws {
  try withRaw(group) { raw in
    let status =
      soft
      ? H5Lcreate_soft(target, raw, "link", defaults, defaults)
      : H5Lcreate_external(target, "/x", raw, "link", defaults, defaults)
    #expect(status >= 0)
  }
}

func addHardLink(_ root: HDF5Group, _ name: String, below group: HDF5Group? = nil) throws {
  try withRaw(group ?? root) { raw in
    #expect(H5Lcreate_hard(raw, "/" + name, raw, "again", defaults, defaults) >= 0)
  }
}

func addDataset(to root: HDF5Group, _ storage: RawStorage) throws {
  try withRaw(root) { raw in
    let type = bw_h5_type(Int32(HDF5Number.float32.rawValue))
    let plist = bw_h5_dataset_plist()
    var dims: [hsize_t] = [4]
    switch storage {
    case .external:
      #expect(H5Pset_external(plist, "/etc/passwd", 0, 16) >= 0)
    case .virtual:
      let space = H5Screate_simple(1, dims, nil)
      #expect(H5Pset_virtual(plist, space, "/etc/passwd", "/x", space) >= 0)
    case .filtered:
      #expect(H5Pset_chunk(plist, 1, dims) >= 0 && H5Pset_deflate(plist, 1) >= 0)
    case .lateBomb:
      dims = [1 << 40]
      #expect(H5Pset_alloc_time(plist, H5D_ALLOC_TIME_LATE) >= 0)
    case .chunkedBomb:
      dims = [1 << 30]
      var chunk: hsize_t = 1024
      #expect(H5Pset_chunk(plist, 1, &chunk) >= 0)
    case .overflow:
      dims = [1 << 31, 1 << 30]
      var chunk: [hsize_t] = [1, 1]
      #expect(H5Pset_chunk(plist, 2, &chunk) >= 0)
    }
    let space = H5Screate_simple(Int32(dims.count), dims, nil)
    #expect(H5Dcreate2(raw, "bomb", type, space, defaults, plist, defaults) >= 0)
  }
}
