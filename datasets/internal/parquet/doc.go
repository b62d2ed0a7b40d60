// Package parquet reads columns of Parquet files row by row, for images that lie in tables.
//
// Footers are parsed and pages decompressed by Arrow's packages; the pages themselves are read here. Arrow's own readers take any memory that
// a flipped bit asks for, pass over errors inside a page, and in some damaged pages turn forever. Here nothing in a file is trusted: what does
// not fit together is an error, and memory is that of one page of each column read.
package parquet
