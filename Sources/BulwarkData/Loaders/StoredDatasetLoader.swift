import BulwarkTensor

/// Bulwark's own HDF5 data sets.
enum StoredDatasetLoader {
  static func load(_ path: String, options: DataOptions) throws -> DataBundle {
    throw DataError.unsupported(
      path: path, feature: "the HDF5 container", remedy: "Use an image folder.")
  }
}
