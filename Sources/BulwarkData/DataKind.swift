/// The kinds of image data sets that can be loaded.
public enum DataKind: String, Sendable, Codable, CaseIterable {
  /// The embedded 1,797 handwritten digits.
  case digits
  /// A folder of JPEG and PNG files, one subfolder a class.
  case folder
  /// The binary version of CIFAR-10.
  case cifar10
  /// The binary version of CIFAR-100 (fine labels).
  case cifar100
  /// MNIST's IDX files, plain or gzip-compressed.
  case mnist
  /// A Bulwark HDF5 data set.
  case hdf5

  /// All kinds, for error messages and help.
  public static var listing: String { allCases.map(\.rawValue).joined(separator: ", ") }
}
