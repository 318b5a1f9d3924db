// Package house holds the checks of the house itself: which package may import
// which, how many lines have to be read together, how many fields a struct and how
// many names a border have. It has no code of its own, only tests, and stands here
// because the checks are tools like the rest of benchmarks, and no part of the product.
package house
