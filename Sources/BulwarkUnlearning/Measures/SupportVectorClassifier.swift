import BulwarkTensor
import CSVM

/// A C-support vector classifier of one feature with an RBF kernel, trained by libsvm.
///
/// libsvm's own defaults otherwise (tolerance 1e-3, shrinking, 200 MB of cache), which are
/// scikit-learn's `SVC(kernel="rbf")` defaults too.
/// - Complexity: about O(n²) in the training samples.
struct SupportVectorClassifier {
  /// Penalty C of the errors.
  let penalty: Double
  /// γ of exp(−γ (x − y)²).
  let gamma: Double

  /// Trains on two groups and says which of the queries belong to the first.
  ///
  /// - Parameters:
  ///   - queries: features to classify.
  ///   - first: feature of each sample of the first group; not empty.
  ///   - second: feature of each sample of the second group; not empty.
  /// - Returns: one value a query: whether it is classified as of the first group.
  func classifies(_ queries: [Double], first: [Double], second: [Double]) -> [Bool] {
    precondition(!first.isEmpty && !second.isEmpty, "a classifier needs samples of both groups")
    // libsvm reports on stdout unless it is told otherwise.
    svm_set_print_string_function { _ in }
    var labels =
      [Double](repeating: 1, count: first.count)
      + [Double](repeating: 0, count: second.count)
    // Every sample is two nodes: its feature, and the mark of the end.
    var nodes = (first + second).flatMap {
      [svm_node(index: 1, value: $0), svm_node(index: -1, value: 0)]
    }
    return labels.withUnsafeMutableBufferPointer { labels in
      nodes.withUnsafeMutableBufferPointer { nodes in
        guard let start = nodes.baseAddress else { return [] }
        var rows: [UnsafeMutablePointer<svm_node>?] = labels.indices.map { start + 2 * $0 }
        return rows.withUnsafeMutableBufferPointer { rows in
          var problem = svm_problem(
            l: Int32(labels.count), y: labels.baseAddress, x: rows.baseAddress)
          var parameter = self.parameter
          var model = svm_train(&problem, &parameter)
          defer { svm_free_and_destroy_model(&model) }
          return queries.map { query in
            let sample = [svm_node(index: 1, value: query), svm_node(index: -1, value: 0)]
            return svm_predict(model, sample) == 1
          }
        }
      }
    }
  }

  private var parameter: svm_parameter {
    var parameter = svm_parameter()
    parameter.svm_type = Int32(C_SVC)
    parameter.kernel_type = Int32(RBF)
    parameter.gamma = gamma
    parameter.C = penalty
    parameter.cache_size = 200
    parameter.eps = 1e-3
    parameter.shrinking = 1
    return parameter
  }
}
