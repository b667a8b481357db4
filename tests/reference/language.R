# Makes language.json: R's own columns for the formula language, and lme4's fits with polynomials, contrasts and weights.
# Run in a folder that holds each data set of load_dataset() as <name>.csv:  Rscript language.R > language.json
suppressMessages({library(lme4); library(jsonlite)})

frame <- data.frame(
  x = c(2.5, 3.1, 4.7, 0.2, 9.4, 6.6, 5.1, 7.3, 1.8, 8.2, 3.9, 4.4, 6.1, 2.2, 7.7, 5.8, 1.1, 8.8, 0.9, 6.9, 3.5, 5.4, 9.9, 7),
  z = c(0.3, -1.2, 0.8, 1.9, -0.4, 0.1, -2.2, 1.1, 0.6, -0.9, 1.4, -1.7, 0.2, -0.3, 2.4, -1.1, 0.7, 1.3, -0.6, -1.5, 0.4,
        2.1, -0.8, 1.6),
  u = rep(c("b1", "b2", "b3"), 8),
  f = rep(c("low", "mid", "high", "top"), each = 3, times = 2),
  stringsAsFactors = FALSE)
coded <- function(d) {
  d$u <- factor(d$u, c("b3", "b1", "b2"))
  d$f <- factor(d$f, c("low", "mid", "high", "top"), ordered = TRUE)
  d
}
new <- frame[c(3, 9, 5, 12), ]
new$x <- c(0.05, 4.7, 12.5, 5.05)

calls <- c(
  "poly(x, 3)", "poly(x, 2) * u", "poly(x, 2):z", "poly(x, 3, raw = TRUE)", "poly(log(x), 2)", "poly(x, 9)",
  "C(u, contr.sum)", "C(u, contr.helmert) * z", "C(u, contr.poly)", "C(u, contr.treatment, base = 2)",
  "f", "f * z", "0 + f", "C(f)", "C(f, contr.treatment)", "C(f, contr.sum) + f:z", "u + u:f",
  "0 + C(u, contr.sum) + f", "C(f, contr.helmert) * C(u, contr.sum)", "0 + f:u", "f + z:C(u, contr.helmert)")
matrices <- lapply(calls, function(call) {
  d <- coded(frame)
  d$y <- seq_len(nrow(d))
  # C(u, contr.treatment, base = 2) is not C()'s own spelling of the argument
  right <- sub("base = 2)", "how.many = 2, base = 2)", call, fixed = TRUE)
  fit <- lm(as.formula(paste("y ~", right)), d)
  there <- model.matrix(fit)
  levels_of <- lapply(fit$model[sapply(fit$model, is.factor)], levels)
  frame_new <- model.frame(delete.response(terms(fit)), coded(new), xlev = levels_of)
  here <- model.matrix(delete.response(terms(fit)), frame_new, contrasts.arg = fit$contrasts)
  list(call = paste0("model.matrix(~ ", call, ")"), names = colnames(there), columns = unname(there), new = unname(here))
})

read <- function(name) read.csv(paste0(name, ".csv"), stringsAsFactors = FALSE)
fits <- list(
  list("sleepstudy", "Reaction ~ poly(Days, 2) + (poly(Days, 2) | Subject)", TRUE, NULL),
  list("sleepstudy", "Reaction ~ poly(Days, 3) + (poly(Days, 2) || Subject)", TRUE, NULL),
  list("sleepstudy", "Reaction ~ poly(Days, 2, raw = TRUE) + (Days | Subject)", FALSE, NULL),
  list("orthodont", "distance ~ poly(age, 2) * C(Sex, contr.sum) + (age | Subject)", TRUE, NULL),
  list("machines", "score ~ C(Machine, contr.helmert) + (C(Machine, contr.sum) | Worker)", TRUE, NULL),
  list("machines", "score ~ ordered(Machine) + (ordered(Machine) | Worker)", TRUE, NULL),
  list("egsingle", "math ~ ordered(grade) + (1 | schoolid/childid)", TRUE, NULL),
  list("sleepstudy", "Reaction ~ Days + (Days | Subject)", TRUE, "1 + Days %% 3"),
  list("sleepstudy", "Reaction ~ Days + (Days | Subject)", FALSE, "1 + Days %% 3"),
  list("sleepstudy", "Reaction ~ Days + (Days || Subject)", TRUE, "1 + Days %% 3"),
  list("orthodont", "distance ~ age * Sex + (age | Subject)", TRUE, "age / 100"),
  list("hsb", "math ~ ses + offset(meanses) + (ses | school)", TRUE, "1 + 2 * (sex == 'Female')"),
  list("hsb", "math ~ ses + offset(meanses) + offset(cses) + (1 | school)", FALSE, "1 + 2 * (sex == 'Female')"),
  list("egsingle", "math ~ year + (year | schoolid/childid)", TRUE, "exp(year / 4)"),
  list("pastes", "strength ~ 1 + (1 | batch/cask)", TRUE, "1000 * (1 + (seq_along(strength) - 1) %% 4)"))
tight <- lmerControl(optimizer = "bobyqa", calc.derivs = FALSE, optCtrl = list(maxfun = 1e6, rhobeg = 0.02, rhoend = 1e-11))
fitted <- lapply(fits, function(case) {
  d <- read(case[[1]])
  for (name in intersect(c("Sex", "Machine", "sex"), names(d))) d[[name]] <- factor(d[[name]])
  if ("Sex" %in% names(d)) d$Sex <- factor(d$Sex, c("Male", "Female"))
  d$.w <- if (is.null(case[[4]])) 1 else eval(parse(text = case[[4]]), d)
  d <<- d
  m <- suppressMessages(lmer(as.formula(case[[2]]), d, REML = case[[3]], weights = .w, control = tight))
  for (i in 1:3) m <- suppressMessages(update(m, start = getME(m, "theta")))
  components <- as.data.frame(VarCorr(m), order = "lower.tri")
  rows <- c(1, 2, nrow(d))
  list(data = case[[1]], formula = case[[2]], reml = case[[3]], weights = case[[4]],
       criterion = if (case[[3]]) unname(REMLcrit(m)) else unname(-2 * logLik(m)[1]),
       beta = unname(fixef(m)), se = unname(sqrt(diag(as.matrix(vcov(m))))), sigma = sigma(m), theta = unname(getME(m, "theta")),
       components = components$vcov, rows = rows, fitted = unname(fitted(m)[rows]),
       pearson = unname(residuals(m, "pearson")[rows]), response = unname(residuals(m, "response")[rows]))
})
cat(toJSON(list(
  source = paste("R", getRversion(), "and lme4", packageVersion("lme4"), "by language.R"),
  frame = frame, new = new, matrices = matrices, fits = fitted), digits = NA, auto_unbox = TRUE, null = "null"))
