// fmt, compiled once. Debian has it as headers and a shared library only, and ours are static programs; compiled into
// every translation unit (FMT_HEADER_ONLY) it is half of their time.

#include <fmt/format-inl.h>

namespace fmt {
inline namespace v9 {
namespace detail {

// What the headers only declare without FMT_HEADER_ONLY.
template void buffer<char>::append(const char*, const char*);
template thousands_sep_result<char> thousands_sep_impl(locale_ref);
template char decimal_point_impl(locale_ref);
template dragonbox::decimal_fp<double> dragonbox::to_decimal(double) noexcept;
template dragonbox::decimal_fp<float> dragonbox::to_decimal(float) noexcept;
template void vformat_to(buffer<char>&, string_view, basic_format_args<buffer_context<char>>, locale_ref);

}  // namespace detail
}  // namespace v9
}  // namespace fmt
