// Package house holds the checks of the house itself: which package may import
// which. It has no code of its own, only tests, and stands here because the
// checks are tools like the rest of benchmarks, and no part of the product.
package house
