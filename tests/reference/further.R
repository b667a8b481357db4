# Makes further.json: lme4's best of several searches for models that are hard for it.
# Run in a folder that holds each data set of load_dataset() as <name>.csv:  Rscript further.R > further.json
suppressMessages({library(lme4); library(jsonlite)})
options(warn = -1)

models <- list(
  list("machines", "score ~ Machine + (Machine | Worker)", TRUE),
  list("machines", "score ~ Machine + (0 + Machine | Worker) + (1 | Machine:Worker)", TRUE),
  list("machines", "score ~ Machine + (0 + Machine | Worker)", FALSE),
  list("orthodont", "distance ~ age * Sex + (age | Subject)", TRUE),
  list("orthodont", "distance ~ I(age - 11) * Sex + (I(age - 11) || Subject)", TRUE),
  list("orthodont", "distance ~ poly(age, 3) * Sex + (poly(age, 2) | Subject)", TRUE),
  list("orthodont", "distance ~ age + (age | Sex/Subject)", TRUE),
  list("sleepstudy", "Reaction ~ Days + I(Days^2) + (Days + I(Days^2) | Subject)", TRUE),
  list("sleepstudy", "Reaction ~ Days + (Days | Subject) + (1 | Days)", TRUE),
  list("hsb", "math ~ ses * sector + meanses + minority + sex + (ses + minority | school)", TRUE),
  list("mathachieve",
       "MathAch ~ SES * Sector + MEANSES + DISCLIM + Minority + Sex + (SES + Minority | School)", TRUE),
  list("mathachieve",
       "MathAch ~ SES * Sector + MEANSES + DISCLIM + Minority + Sex + (SES + Minority + Sex | School)", TRUE),
  list("egsingle", "math ~ year * female + (year | schoolid/childid)", TRUE),
  list("egsingle",
       "math ~ year + I(year^2) + retained + (year + I(year^2) | childid) + (year | schoolid)", TRUE),
  list("exam", "normexam ~ standLRT * schgend + sex + (standLRT + sex | school)", TRUE),
  list("exam", "normexam ~ poly(standLRT, 3) + intake + vr + (poly(standLRT, 2) | school)", TRUE))

control <- lmerControl(optimizer = "nloptwrap", calc.derivs = FALSE)
best_of <- function(deviance, theta, lower) {
  best <- list(value = Inf)
  keep <- function(value, theta) if (value < best$value) best <<- list(value = value, theta = theta)
  set.seed(1)
  starts <- c(list(theta, theta * 0.3), lapply(1:4, function(i) pmax(rnorm(length(theta)), lower)))
  for (start in starts) {
    found <- minqa::bobyqa(start, deviance, lower = lower, control = list(rhoend = 1e-9, maxfun = 20000))
    keep(found$fval, found$par)
  }
  found <- nlminb(best$theta, deviance, lower = lower, control = list(rel.tol = 1e-14, x.tol = 1e-12))
  keep(found$objective, found$par)
  best
}
fits <- lapply(models, function(case) {
  data <- read.csv(paste0(case[[1]], ".csv"), stringsAsFactors = TRUE)
  for (name in intersect(c("Subject", "School", "school", "schoolid", "childid"), names(data))) {
    data[[name]] <- factor(data[[name]])
  }
  default <- suppressMessages(lmer(as.formula(case[[2]]), data, REML = case[[3]], control = control))
  deviance <- update(default, devFunOnly = TRUE)
  best <- best_of(deviance, getME(default, "theta"), getME(default, "lower"))
  deviance(best$theta)
  terms <- lFormula(as.formula(case[[2]]), data, REML = case[[3]])
  stop <- list(par = best$theta, fval = best$value, conv = 0, feval = 1, message = "")
  fit <- mkMerMod(environment(deviance), stop, terms$reTrms, fr = terms$fr)
  rows <- c(1, nrow(data) %/% 3, nrow(data) %/% 2, nrow(data))
  X <- getME(fit, "X")[rows, , drop = FALSE]
  list(data = case[[1]], formula = case[[2]], reml = case[[3]], rows = rows, criterion = best$value,
       default = if (case[[3]]) REMLcrit(default) else stats::deviance(default), sigma = sigma(fit),
       mean = as.vector(X %*% fixef(fit)), se = sqrt(diag(X %*% as.matrix(vcov(fit)) %*% t(X))),
       fitted = as.vector(fitted(fit)[rows]))
})
program <- paste("lme4", packageVersion("lme4"), "under", R.version.string)
cat(toJSON(list(program = program, models = fits), auto_unbox = TRUE, digits = 15, pretty = 1), "\n")
