package transform

import (
	"errors"

	"github.com/batchmill/batchmill/transform/answerlog"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/workers"
)

// ClassOf says what kind of failure err is.
func ClassOf(err error) job.Class {
	var (
		failure     *job.Failure
		stored      *store.Error
		unavailable *workers.UnavailableError
		dropped     *workers.AllDroppedError
		damaged     *answerlog.DamageError
		changed     *plan.ChangedError
	)
	switch {
	case errors.As(err, &failure):
		return failure.Class
	case errors.Is(err, store.ErrLocked), errors.Is(err, store.ErrSuperseded), errors.Is(err, store.ErrGrown):
		return job.Superseded
	case store.Refused(err):
		return job.BadInput
	case errors.Is(err, store.ErrNoFile), errors.Is(err, store.ErrUnsafe):
		return job.Usage
	case errors.As(err, &stored), errors.As(err, &damaged):
		return job.Storage
	case errors.As(err, &changed):
		return job.BadInput
	case errors.As(err, &dropped) && dropped.Gone:
		return job.NoHosts
	case errors.As(err, &dropped):
		return job.Usage
	case errors.As(err, &unavailable):
		return job.NoHosts
	}
	return job.Internal
}

// HintOf is what to do about err, or "".
func HintOf(err error) string {
	var failure *job.Failure
	var damaged *answerlog.DamageError
	var stored *store.Error
	switch {
	case errors.As(err, &failure):
		return failure.Hint
	case errors.Is(err, store.ErrSuperseded), errors.Is(err, store.ErrGrown):
		return "the later run continues with everything that was logged; if the later run ends too, run the same command again"
	case errors.Is(err, store.ErrUnsafe):
		return "choose an --output on disk or on a service that honours If-Match and If-None-Match: without them two runs could destroy each other's work"
	case errors.As(err, &damaged):
		return "put the file back as it was; or keep the answers before the damage with --resume-before-damage, or none with --restart"
	case errors.As(err, &stored) && ClassOf(err) == job.Storage:
		return "fix the cause and run the same command again; answers are kept"
	}
	return ""
}
