// Package jobtest tests whole jobs through the engine's public face: the random
// jobs of the simulation, the matrix of formats, fleets that misbehave, stores that fail at
// every operation, crashes at every operation, two runs of one job. Time is virtual,
// stores are in memory, hosts are functions. The package crashtest beside it kills real processes.
package jobtest
