// Runs an exported model from C++, without Python.
//
//   ./run model.so 1x3x224x224 [more shapes...]
//
// Every input is a float32 tensor filled with 0, 1, 2, ... (modulo 17). Prints each output's shape
// and its first elements; an error of the model is printed and makes the program return 1.

#include <tvm/ffi/container/array.h>
#include <tvm/ffi/container/tensor.h>
#include <tvm/ffi/error.h>
#include <tvm/ffi/extra/module.h>
#include <tvm/ffi/function.h>

#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

namespace ffi = tvm::ffi;

struct HostMemory {
  void AllocData(DLTensor* tensor) {
    size_t bytes = (ffi::GetDataSize(*tensor) + 63) / 64 * 64;
    tensor->data = std::aligned_alloc(64, bytes == 0 ? 64 : bytes);
    if (tensor->data == nullptr) {
      TVM_FFI_THROW(MemoryError) << "no memory for an input of " << bytes << " bytes";
    }
  }
  void FreeData(DLTensor* tensor) { std::free(tensor->data); }
};

std::vector<int64_t> ParseShape(const std::string& text) {
  std::vector<int64_t> shape;
  std::stringstream stream(text);
  int64_t left = int64_t{1} << 40;  // elements: more is a mistake, or overflows
  for (std::string part; std::getline(stream, part, 'x');) {
    bool digits = !part.empty() && part.find_first_not_of("0123456789") == std::string::npos;
    if (!digits || part.size() > 12) {
      TVM_FFI_THROW(ValueError) << "a shape is written like 1x3x224x224, found `" << text << "`";
    }
    shape.push_back(std::stoll(part));
    if (shape.back() > 0) left /= shape.back();
  }
  if (left == 0) TVM_FFI_THROW(ValueError) << "the shape `" << text << "` is too large";
  return shape;
}

ffi::Tensor MakeInput(const std::vector<int64_t>& shape) {
  ffi::Tensor tensor = ffi::Tensor::FromNDAlloc(HostMemory(), ffi::ShapeView(shape.data(), shape.size()),
                                                DLDataType{kDLFloat, 32, 1}, DLDevice{kDLCPU, 0});
  float* data = static_cast<float*>(tensor.data_ptr());
  for (int64_t i = 0; i < tensor.numel(); ++i) data[i] = static_cast<float>(i % 17);
  return tensor;
}

void Print(const ffi::Any& value) {
  if (auto items = value.try_cast<ffi::Array<ffi::Any>>()) {
    for (const ffi::Any& item : *items) Print(item);
    return;
  }
  auto found = value.try_cast<ffi::Tensor>();
  if (!found) return;
  ffi::Tensor tensor = *found;
  std::cout << "(";
  for (int64_t d : tensor.shape()) std::cout << d << ",";
  std::cout << ")";
  if (tensor.dtype().code == kDLFloat && tensor.dtype().bits == 32) {
    const float* data = static_cast<const float*>(tensor.data_ptr());
    for (int64_t i = 0; i < tensor.numel() && i < 8; ++i) std::cout << " " << data[i];
  }
  std::cout << std::endl;
}

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "usage: " << argv[0] << " model.so [1x3x224x224 ...]" << std::endl;
    return 2;
  }
  try {
    ffi::Module model = ffi::Module::LoadFromFile(argv[1]);
    ffi::Function function = model->GetFunction("main", false).value();
    std::vector<ffi::Any> inputs;
    for (int i = 2; i < argc; ++i) inputs.emplace_back(MakeInput(ParseShape(argv[i])));
    std::vector<ffi::AnyView> views(inputs.begin(), inputs.end());
    ffi::Any result;
    function.CallPacked(views.data(), static_cast<int32_t>(views.size()), &result);
    Print(result);
  } catch (const ffi::Error& error) {
    std::cerr << error.kind() << ": " << error.message() << std::endl;
    return 1;
  }
  return 0;
}
