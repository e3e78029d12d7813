/// Where the well-known data sets come from, for `data inspect --help`.
enum KnownDownloads {
  /// One archive or file: its address and its SHA-256.
  struct Entry {
    var name: String
    var address: String
    var sha256: String
  }

  static let entries = [
    Entry(
      name: "CIFAR-10, binary version",
      address: "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
      sha256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"),
    Entry(
      name: "CIFAR-100, binary version",
      address: "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
      sha256: "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec"),
    Entry(
      name: "MNIST, training images", address: mnist + "train-images-idx3-ubyte.gz",
      sha256: "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
    Entry(
      name: "MNIST, training labels", address: mnist + "train-labels-idx1-ubyte.gz",
      sha256: "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
    Entry(
      name: "MNIST, test images", address: mnist + "t10k-images-idx3-ubyte.gz",
      sha256: "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
    Entry(
      name: "MNIST, test labels", address: mnist + "t10k-labels-idx1-ubyte.gz",
      sha256: "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
  ]

  /// The list as text. Unpack a `.tar.gz`; the files of MNIST may stay compressed.
  static var help: String {
    "Data sets to download (address, then SHA-256 for `sha256sum`):\n"
      + entries.map { "\n\($0.name)\n  \($0.address)\n  \($0.sha256)" }.joined()
      + "\n\nUnpack a .tar.gz and give the folder; the files of MNIST may stay compressed."
  }

  /// The mirror that PyTorch's own loader uses.
  private static let mnist = "https://ossci-datasets.s3.amazonaws.com/mnist/"
}
