/**
 * Makes a pure function quick for the questions that are foreseen: their answers are worked out beforehand. Every other
 * answer is worked out when it is wanted and never kept, since what a caller can write freely may hold a key.
 */
export function precompute<Question, Answer>(
  questions: Iterable<Question>,
  answer: (question: Question) => Answer,
): (question: Question) => Answer {
  const known = new Map<Question, Answer>();
  for (const question of questions) known.set(question, answer(question));
  return (question) => known.get(question) ?? answer(question);
}
