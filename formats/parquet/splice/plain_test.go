package splice

import "encoding/json"

// plain is a value as text: pointers followed, nil and empty lists alike.
func plain(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	var any any
	if err := json.Unmarshal(b, &any); err != nil {
		panic(err)
	}
	b, _ = json.Marshal(prune(any))
	return string(b)
}

// prune takes empty lists and objects for null: Parquet does not tell a
// missing Go slice from an empty one.
func prune(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = prune(v[i])
		}
		if len(v) == 0 {
			return nil
		}
	case map[string]any:
		for k := range v {
			v[k] = prune(v[k])
		}
		if len(v) == 0 {
			return nil
		}
	}
	return v
}
